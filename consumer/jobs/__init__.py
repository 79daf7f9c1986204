"""Jobs of the engine, pushed to queues: fetched, published, and ended as their workers answer."""
