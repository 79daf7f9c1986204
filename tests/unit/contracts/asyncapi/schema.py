"""Validating with the schemas."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from typing import Any

from zeebe_amqp import asyncapi

VALIDATORS = import_module("jsonschema").validators  # whose types are in another package


@cache
def validator(file: str) -> Any:
    """The validator of a schema file, by the dialect that the file names."""
    schema = json.loads(json.dumps(asyncapi.files()[file]))
    return VALIDATORS.validator_for(schema)(schema)


def problems(file: str, body: object) -> list[str]:
    """What a schema finds wrong in a body."""
    return [f"{error.json_path}: {error.message}" for error in validator(file).iter_errors(body)]


def accepted(file: str, body: object) -> bool:
    """Whether the schema in a file takes a body."""
    return bool(validator(file).is_valid(body))
