"""Sends one command as a message and shows the reply: `make call OP=topology DATA='{}'`.

Variables: `OP`, `DATA` (JSON), `QUEUE` (zeebe.commands), `TIMEOUT` (seconds, 30), `AMQP_URL` (of `make up`).
The program `zeebe-amqp` can do more.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys

from rich.console import Console

from scripts import given
from scripts.process import ServerError
from scripts.state import State
from zeebe_amqp.client import Client
from zeebe_amqp.errors import CommandError
from zeebe_amqp.wire import COMMANDS_QUEUE


class CallError(Exception):
    """Why there is no reply; the text says what to do."""


def envelope() -> bytes:
    """The request's body from `OP` and `DATA`.

    Raises:
        CallError: `DATA` is not JSON.
    """
    data = os.environ.get("DATA", "{}")
    try:
        return json.dumps({"operation": os.environ.get("OP", "topology"), "data": json.loads(data)}).encode()
    except ValueError as error:
        raise CallError(f"DATA: found {data!r}, which is not JSON ({error})") from error


def url() -> str:
    """The broker's address: the environment's, which is told, else that of `make up`.

    Raises:
        CallError: there is neither, or nothing listens there.
    """
    state = State.load()
    own = state.environment.get(given.BROKER) if state.pids else None
    if own and os.environ.get(given.BROKER) in (None, "", own):
        return own
    try:
        found = given.broker(tell)
    except ServerError as error:
        raise CallError(str(error)) from error
    if found and own:
        tell(f"`make up` runs on {given.shown(own)}: `unset {given.BROKER}` to call that one")
    if not (found or own):
        raise CallError("no broker: `make up` starts one, or set AMQP_URL")
    return str(found or own)


def tell(line: str) -> None:
    """Say something beside the reply."""
    print(line, file=sys.stderr)


async def call() -> bytes:
    """The body of the reply to the command of the environment.

    Raises:
        CallError: there is none.
    """
    body, queue = envelope(), os.environ.get("QUEUE", COMMANDS_QUEUE)
    try:
        async with Client(url(), commands=queue, timeout=float(os.environ.get("TIMEOUT", "30"))) as client:
            return await client.call_raw(body)
    except ValueError as error:
        raise CallError(str(error)) from error
    except CommandError as error:
        raise CallError(f"{error}\nIs it all running? `make status` tells.") from error


def main() -> int:
    """Call and show; exit status 0 for a result, 1 for an error."""
    logging.disable()  # the AMQP library tells every refused connection too
    console = Console(soft_wrap=True)
    try:
        body = asyncio.run(call())
    except CallError as problem:
        Console(stderr=True, soft_wrap=True).print(f"make call: {problem}", markup=False, highlight=False)
        return 1
    console.print_json(body.decode())
    return 1 if "error" in json.loads(body) else 0


if __name__ == "__main__":
    sys.exit(main())
