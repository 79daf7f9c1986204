"""The typed values of Camunda 7's REST API."""
