"""What happens to a message, whatever happens: once, settled in one place."""
