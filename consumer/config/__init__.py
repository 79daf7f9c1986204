"""What the service is told: typed settings from command line, environment, `.env` and component file."""

from consumer.config.loading import ConfigurationError, Loaded, load
from consumer.config.settings import Amqp, Basic, Camunda7, Names, OAuth, Settings, Zeebe
from consumer.config.variables import ARGUMENTS, VARIABLES, Variable, as_argument

__all__ = [
    "ARGUMENTS",
    "VARIABLES",
    "Amqp",
    "Basic",
    "Camunda7",
    "ConfigurationError",
    "Loaded",
    "Names",
    "OAuth",
    "Settings",
    "Variable",
    "Zeebe",
    "as_argument",
    "load",
]
