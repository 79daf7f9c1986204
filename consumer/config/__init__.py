"""What the service is told: typed settings from command line, environment, `.env` and component file."""

from consumer.config.settings import (
    ARGUMENTS,
    VARIABLES,
    Amqp,
    Basic,
    Camunda7,
    ConfigurationError,
    Loaded,
    OAuth,
    Settings,
    Variable,
    Zeebe,
    as_argument,
    load,
)

__all__ = [
    "ARGUMENTS",
    "VARIABLES",
    "Amqp",
    "Basic",
    "Camunda7",
    "ConfigurationError",
    "Loaded",
    "OAuth",
    "Settings",
    "Variable",
    "Zeebe",
    "as_argument",
    "load",
]
