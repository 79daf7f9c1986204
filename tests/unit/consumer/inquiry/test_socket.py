"""The socket on which a running service answers questions about requests."""

from __future__ import annotations

import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from consumer.inquiry import Fact, InquirySocket, ask
from consumer.ledger import LedgerError

ANSWER: list[Fact] = [{"user": None, "id": "a"}]


async def echo(user: str | None, request_id: str) -> list[Fact]:
    if request_id == "away":
        raise LedgerError("the ledger cannot be read: gone")
    return [{"user": user, "id": request_id}]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[InquirySocket]:
    """A service that answers what it was asked."""
    serving = InquirySocket(folder, echo)
    await serving.start()
    yield serving
    await serving.stop()


async def test_it_answers_what_is_asked_and_only_its_own_user(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    path = folder / "requests.sock"
    async with serving(folder) as service:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for user, request_id in ((None, "a"), ("", "a"), ("älice & bob", "ü/?#&=\n" * 30)):
            assert await ask(folder, user, request_id) == [{"user": user, "id": request_id}]
        state = "not known: the ledger cannot be read: gone"
        assert await ask(folder, None, "away") == [{"where": "ledger", "state": state}]
        await service.stop()
        assert not path.exists()


async def test_without_a_service_there_is_no_answer_and_a_socket_that_was_left_is_taken_over(tmp_path: Path) -> None:
    assert await ask(tmp_path, None, "a") is None
    with socket.socket(socket.AF_UNIX) as left:  # by a process that was killed
        left.bind(str(tmp_path / "requests.sock"))
    assert await ask(tmp_path, None, "a") is None
    async with serving(tmp_path):
        assert await ask(tmp_path, None, "a") == ANSWER


async def test_a_process_that_ends_leaves_the_socket_of_its_successor_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as ending:
        async with serving(tmp_path):
            await ending.stop()
            assert await ask(tmp_path, None, "a") == ANSWER
        assert not (tmp_path / "requests.sock").exists()


async def test_where_no_socket_can_be_made_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    far = tmp_path / ("x" * 120)
    async with serving(far):
        assert f"`consumer request` cannot ask this process: no socket at {far}" in caplog.text
