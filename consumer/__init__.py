"""The service: takes command envelopes from RabbitMQ, runs them in Zeebe, publishes the answers."""
