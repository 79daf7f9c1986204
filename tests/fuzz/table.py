"""All targets."""

from __future__ import annotations

from typing import Final

from tests.fuzz.targets.addresses import ADDRESS
from tests.fuzz.targets.envelope import ENVELOPE
from tests.fuzz.targets.files import COMPONENT, JOB_TYPES, POLICY, SETTINGS
from tests.fuzz.targets.frames import FRAMES
from tests.fuzz.targets.gateway import CAMUNDA7, GATEWAY
from tests.fuzz.targets.headers import HEADERS
from tests.fuzz.targets.jobs import ANSWER, ID
from tests.fuzz.targets.ledger import RECORD, ROW
from tests.fuzz.targets.letters import LETTER, REPLY
from tests.fuzz.targets.logs import LOG
from tests.fuzz.targets.properties import PROPERTIES
from tests.fuzz.targets.texts import CONTENTS, DURATION, FIELD

__all__ = ["TARGETS"]

TARGETS: Final = {
    target.name: target
    for target in (
        ENVELOPE, FIELD, CONTENTS, DURATION, PROPERTIES, HEADERS, FRAMES, GATEWAY, CAMUNDA7, COMPONENT, POLICY,
        ADDRESS, JOB_TYPES, SETTINGS, RECORD, ROW, ANSWER, ID, LETTER, REPLY, LOG,
    )
}  # fmt: skip
"""By name: what comes from callers, brokers, engines, operators, ledgers and workers."""
