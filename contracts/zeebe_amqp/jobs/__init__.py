"""Jobs that are pushed to queues: their names, their messages, and the answers of workers."""
