"""What everything else speaks: a message, an engine, its limits."""
