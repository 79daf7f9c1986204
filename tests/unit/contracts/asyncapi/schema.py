"""Validating with the schemas, and asking the codec for its opinion."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from typing import Any

from zeebe_amqp import asyncapi, envelope
from zeebe_amqp.errors import CommandError

VALIDATORS = import_module("jsonschema").validators  # whose types are in another package


@cache
def validator(file: str) -> Any:
    """The validator of a schema file, by the dialect that the file names."""
    schema = json.loads(json.dumps(asyncapi.files()[file]))
    return VALIDATORS.validator_for(schema)(schema)


def accepted(file: str, body: object) -> bool:
    """Whether the schema in a file takes a body."""
    return bool(validator(file).is_valid(body))


def decoded(body: object) -> bool:
    """Whether the codec takes the body of a request."""
    try:
        envelope.decode(json.dumps(body).encode())
    except CommandError:
        return False
    return True


def problems(file: str, body: object) -> list[str]:
    """What a schema finds wrong in a body."""
    return [f"{error.json_path}: {error.message}" for error in validator(file).iter_errors(body)]
