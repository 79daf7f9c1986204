"""The socket on which a running service answers questions about requests."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from consumer.inquiry import Fact, InquirySocket, ask
from consumer.ledger import LedgerError


async def echo(user: str | None, request_id: str) -> list[Fact]:
    return [{"user": user, "id": request_id}]


async def test_it_answers_what_is_asked_and_only_its_own_user(tmp_path: Path) -> None:
    serving = InquirySocket(tmp_path / "state", echo)
    await serving.start()
    path = tmp_path / "state" / "requests.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for user, request_id in ((None, "a"), ("", "a"), ("älice & bob", "ü/?#&=\n" * 30)):
        assert await ask(tmp_path / "state", user, request_id) == [{"user": user, "id": request_id}]
    await serving.stop()
    assert not path.exists()
    await serving.stop()


async def test_a_ledger_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    async def away(_: str | None, __: str) -> list[Fact]:
        raise LedgerError("the ledger cannot be read: gone")

    serving = InquirySocket(tmp_path, away)
    await serving.start()
    assert await ask(tmp_path, None, "a") == [
        {"where": "ledger", "state": "not known: the ledger cannot be read: gone"}
    ]
    await serving.stop()


async def test_without_a_service_there_is_no_answer_and_a_socket_that_was_left_is_taken_over(tmp_path: Path) -> None:
    assert await ask(tmp_path, None, "a") is None
    with socket.socket(socket.AF_UNIX) as left:  # by a process that was killed
        left.bind(str(tmp_path / "requests.sock"))
    assert await ask(tmp_path, None, "a") is None
    serving = InquirySocket(tmp_path, echo)
    await serving.start()
    assert await ask(tmp_path, None, "a") == [{"user": None, "id": "a"}]
    await serving.stop()


async def test_a_process_that_ends_leaves_the_socket_of_its_successor_alone(tmp_path: Path) -> None:
    ending, successor = InquirySocket(tmp_path, echo), InquirySocket(tmp_path, echo)
    await ending.start()
    await successor.start()
    await ending.stop()
    assert await ask(tmp_path, None, "a") == [{"user": None, "id": "a"}]
    await successor.stop()
    assert not (tmp_path / "requests.sock").exists()


async def test_where_no_socket_can_be_made_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    far = tmp_path / ("x" * 120)
    serving = InquirySocket(far, echo)
    await serving.start()
    assert f"`consumer request` cannot ask this process: no socket at {far}" in caplog.text
    await serving.stop()
