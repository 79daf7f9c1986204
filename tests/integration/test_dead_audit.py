"""Who replays or drops a dead letter is recorded before the letter leaves its queue, or it stays."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consumer.config.values import AuditSink
from consumer.security.audit_sinks import AuditFile
from scripts.consumer import ROOT, Consumer
from tests.cases import check_each
from tests.integration.dead_letter_queue import DeadLetterQueue
from tests.integration.test_audit import read_stream, records
from zeebe_amqp import wire


async def test_each_replay_and_drop_has_its_record(
    dead: DeadLetterQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    dead.audit = AuditSink("file", str(path))
    monkeypatch.setenv("SUDO_USER", "carol")
    replayed = await dead.add(b"{}", headers={wire.ORIGINAL_USER_ID: "alice"}, app_id="shop")
    dropped, elsewhere = await dead.add(b"no"), await dead.add()
    assert (await dead.resend("--dry-run", replayed)).code == 0
    assert (await dead.run("drop", "--dry-run", dropped)).code == 0
    assert records(path) == []
    assert (await dead.resend(replayed)).code == 0
    assert (await dead.run("drop", "--yes", dropped)).code == 0
    assert (await dead.resend("--queue", "test.gone", elsewhere)).code == 1
    assert (await dead.run("replay", "--wait", "0.1s", elsewhere)).code == 1, "nobody knows what became of it"
    found = records(path)
    told = [(each["event"], each["result"], each["queue"], each["request_id_sha256"]) for each in found]
    here = dead.request_queue
    assert told == [
        ("dead-letter-replay", "replayed", here, sha256(replayed.encode()).hexdigest()),
        ("dead-letter-drop", "dropped", here, sha256(dropped.encode()).hexdigest()),
        ("dead-letter-replay", "replayed", "test.gone", sha256(elsewhere.encode()).hexdigest()),
        ("dead-letter-replay", "refused", "test.gone", sha256(elsewhere.encode()).hexdigest()),
        ("dead-letter-replay", "replayed", here, sha256(elsewhere.encode()).hexdigest()),
    ]
    first = found[0]
    assert (first["user"], first["user_source"], first["sudo_user"]) == ("alice", "dead letter", "carol")
    assert first["os_user"]
    assert (first["operation"], first["code"], first["app_id"], first["bytes"]) == ("topology", "NOT_FOUND", "shop", 2)


async def test_without_a_record_nothing_is_replayed_or_dropped(dead: DeadLetterQueue, tmp_path: Path) -> None:
    name = await dead.add()
    path = tmp_path / "log"
    path.touch()
    path.chmod(0o666)

    async def stays(sink: AuditSink) -> None:
        dead.audit = sink
        for command in (["replay", "--no-wait"], ["replay", "--wait", "1s"], ["drop", "--yes"]):
            result = await dead.run(*command, name)
            assert (result.code, result.rows) == (1, []), command
            assert "nothing more is replayed or dropped" in result.stderr
        assert await dead.sent() == []
        assert await dead.ids() == [name]

    bad = [AuditSink("file", str(path)), AuditSink("file", "/dev/full"), AuditSink("exchange", "test.no.exchange")]
    await check_each([*bad, AuditSink("exchange", "amq.topic")], stays)


async def test_what_fails_on_the_way_stays_with_all_that_follow(
    dead: DeadLetterQueue, tmp_path: Path, monkeypatch: Any
) -> None:
    names = [await dead.add() for _ in range(3)]
    dead.audit = AuditSink("file", str(tmp_path / "log"))
    append, calls = AuditFile.append, list[bytes]()

    def fails(self: AuditFile, data: bytes) -> None:
        calls.append(data)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        append(self, data)

    monkeypatch.setattr(AuditFile, "append", fails)
    result = await dead.run("drop", "--yes", "--all")
    assert (result.code, [row["id"] for row in result.rows]) == (1, names[:1])
    assert "No space left on device" in result.stderr
    assert sorted(await dead.ids()) == sorted(names[1:])


async def test_records_go_to_standard_error_where_results_are_on_standard_output(
    dead: DeadLetterQueue, tmp_path: Path
) -> None:
    name = await dead.add()
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consumer", "dead", "drop", "--yes", name),
        env=Consumer(tmp_path, dead.url, "127.0.0.1:1", {"AUDIT": "stdout"}).environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await program.communicate()
    assert [json.loads(line)["id"] for line in out.splitlines()] == [name]
    [line] = [line for line in said.splitlines() if line.startswith(b"{")]
    assert json.loads(line)["event"] == "dead-letter-drop"


async def test_records_go_to_a_stream(dead: DeadLetterQueue) -> None:
    stream = f"test.audit.{uuid.uuid4().hex}"
    dead.audit = AuditSink("stream", stream)
    name = await dead.add()
    assert (await dead.resend(name)).code == 0
    [message] = await read_stream(dead.url, stream, 1)
    assert json.loads(message.body)["request_id_sha256"] == sha256(name.encode()).hexdigest()
    assert message.user_id == "guest"
    await dead.channel.queue_delete(stream)
