"""Plain JSON Schemas for people without AsyncAPI: whole files, each of which needs no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from zeebe_amqp.asyncapi import jobs
from zeebe_amqp.asyncapi.bodies import ERROR_REPLY, bodies, reply_name, request_name
from zeebe_amqp.asyncapi.data import REFERENCE, Schema, schemas
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.jobs.answers import Outcome

__all__ = ["encode", "files", "write_files"]


DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The JSON Schema that the files are written in."""
DEFINITIONS: Final = "#/$defs/"
"""Where a file has the schemas that it refers to."""


def files() -> dict[str, Schema]:
    """The schemas by file name: the bodies of each operation's request and reply, of any request and reply, and of each
    answer to a job; and the headers of a job."""
    data = schemas()
    known = data | bodies() | jobs.job_schemas(data)
    made = {}
    for operation, command in COMMANDS.items():
        made[f"{operation}.request.json"] = _file([request_name(command)], known, f"Request {operation}")
        made[f"{operation}.reply.json"] = _file([reply_name(command), ERROR_REPLY], known, f"Reply {operation}")
    commands = COMMANDS.values()
    made["request.json"] = _file([request_name(command) for command in commands], known, "Request")
    for outcome in Outcome:
        made[f"{jobs.answer_name(outcome)}.json"] = _file([jobs.schema_name(outcome)], known, f"Answer {outcome}")
    made[f"{jobs.JOB}.headers.json"] = _file([jobs.HEADERS], known, "Headers of a job")
    made["reply.json"] = _file([*map(reply_name, commands), ERROR_REPLY], known, "Reply")
    return made


def write_files(folder: Path) -> None:
    """Write every file into a folder, which is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in files().items():
        (folder / name).write_text(encode(schema), encoding="utf-8")


def encode(schema: Schema) -> str:
    """A schema as the text of a file."""
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _file(names: list[str], known: dict[str, Schema], title: str) -> Schema:
    needed = sorted(_needed(names, known))
    root: Schema = (
        {"$ref": DEFINITIONS + names[0]}
        if len(names) == 1
        else {"anyOf": [{"$ref": DEFINITIONS + name} for name in names]}
    )
    return {"$schema": DIALECT, "title": title, **root, "$defs": {name: _move(known[name]) for name in needed}}


def _needed(names: Iterable[str], known: dict[str, Schema]) -> set[str]:
    """These names, and all that their schemas refer to, however far."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += _references(known[name])
    return found


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(target)}:
            yield target.removeprefix(REFERENCE)
        case dict():
            for each in value.values():
                yield from _references(each)
        case list():
            for each in value:
                yield from _references(each)


def _move(value: Any) -> Any:
    """The schema with its references into the file itself."""
    match value:
        case {"$ref": str(target)}:
            return {"$ref": target.replace(REFERENCE, DEFINITIONS)}
        case dict():
            return {name: _move(each) for name, each in value.items()}
        case list():
            return [_move(each) for each in value]
    return value
