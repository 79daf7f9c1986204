"""Jobs on queues beside a worker that calls the engine itself."""
