"""Two contents for one id at the same time: the ledger says whose the id is, not who came first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.core.message import Reply
from consumer.core.shares import Shares
from consumer.ledger import Claim, LedgerError, State
from consumer.pipeline.waits import QueuePlaces, Waits
from tests.cases import for_each
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.pipeline.repetitions import Once, incoming, ledger_of, waited_for
from zeebe_amqp.errors import Code, Outcome, Source

OTHER = {"bpmnProcessId": "other"}
ANSWER = Reply("create-instance", {"key": 1})
CONFLICT = (Code.ALREADY_EXISTS, Source.CONSUMER, Outcome.NOT_EXECUTED, False)


def slow(once: Once, *found: Claim | LedgerError) -> asyncio.Event:
    """Let the ledger's answers to claims wait for an event."""
    answers, go = iter(found), asyncio.Event()

    async def claim(*_: object, **__: object) -> Claim:
        await go.wait()
        answer = next(answers)
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    once.ledger.claim.side_effect = claim
    return go


class Asked(Once):
    """A handler behind a ledger that answers when it is told to."""

    def __init__(self, **more: Any) -> None:
        self.ledger = ledger_of()
        super().__init__(ledger=self.ledger, **more)


@for_each([[], [LedgerError("away")]])
async def test_what_ran_is_answered_also_while_another_content_asks_for_its_id(troubles: list[LedgerError]) -> None:
    once = Asked()
    go = slow(once, *troubles, Claim(State.CONFLICT), Claim(State.DONE, ANSWER))
    other, ours = await once.begin(waited_for(data=OTHER), waited_for())
    assert not ours.done(), "nobody knows yet whose the id is"
    go.set()
    await asyncio.wait([other, ours])
    assert verdict(other.exception()) == CONFLICT  # type: ignore[arg-type]
    assert (await ours).data == ANSWER.data
    assert once.runs == 0


@for_each([State.NEW, State.ORPHANED])
async def test_who_asks_with_another_content_is_refused_as_soon_as_the_ledger_has_answered(state: State) -> None:
    once = Asked()
    once.limiter.clear()
    go = slow(once, Claim(state))
    first, *others = await once.begin(incoming("cancel-instance", message_id="a"), *(waited_for() for _ in range(3)))
    assert not any(other.done() for other in others)
    go.set()
    await asyncio.wait(others)
    assert [verdict(other.exception()) for other in others] == [CONFLICT] * 3  # type: ignore[arg-type]
    once.limiter.set()
    assert (await first).ok


async def test_of_several_contents_the_next_one_asks_when_the_first_was_cut_off() -> None:
    once = Asked()
    go = slow(once, Claim(State.NEW))
    first, second = await once.begin(waited_for(data=OTHER), waited_for())
    first.cancel()
    go.set()
    assert (await second).ok
    with pytest.raises(asyncio.CancelledError):
        await first
    assert once.runs == 1


async def test_who_waits_for_the_ledger_takes_a_place_and_gives_it_back() -> None:
    held = Shares(lambda: 9)
    once = Asked(waits=Waits({"commands": QueuePlaces(held)}))
    go = slow(once, Claim(State.CONFLICT), Claim(State.CONFLICT))
    other, ours, gone = await once.begin(*(waited_for(data=data, queue="commands") for data in (OTHER, None, None)))
    assert held.taken == 2
    gone.cancel()
    await asyncio.wait([gone])
    assert held.taken == 1
    go.set()
    await asyncio.wait([other, ours])
    assert (held.taken, verdict(ours.exception())) == (0, CONFLICT)  # type: ignore[arg-type]
