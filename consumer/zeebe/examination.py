"""One look at the gateway, for commands that say how it is."""

from __future__ import annotations

from dataclasses import replace

from consumer.config import Zeebe
from consumer.core.foreign_text import operators_text
from consumer.zeebe.client import ZeebeEngine
from consumer.zeebe.hints import advise, hint
from consumer.zeebe.protocol.gateway_pb2 import TopologyResponse
from zeebe_amqp.errors import CommandError
from zeebe_amqp.tls import TlsProblem, problem_of

__all__ = ["ask_gateway"]


async def ask_gateway(zeebe: Zeebe) -> TopologyResponse:
    """Ask the gateway for its topology once.

    Raises:
        CommandError: it did not answer; the text says what to do, where that is known.
    """
    try:
        return await _topology(zeebe)
    except CommandError as error:
        text = operators_text(error)
        advice = await advise(await _plainly(zeebe, text), zeebe)
        error.message = f"{text} ({advice})" if advice else text
        raise


async def _topology(zeebe: Zeebe) -> TopologyResponse:
    gateway = ZeebeEngine(zeebe)
    try:
        return await gateway.probe()
    finally:
        await gateway.close()


async def _plainly(zeebe: Zeebe, problem: str) -> str:
    """The problem; of a port that speaks no TLS the one that is left when nothing else is wrong with it."""
    if problem_of(problem) is not TlsProblem.PLAINTEXT:
        return problem
    try:
        # Without credentials: nothing secret may go where it can be read on the way.
        await _topology(replace(zeebe, plaintext=True, credentials=None))
    except CommandError as error:
        text = operators_text(error)
        return text if hint(text, zeebe) else problem
    return problem
