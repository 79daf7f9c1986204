"""One connection to the broker, for the client, the command line and the service alike."""
