"""The binding's documentation: its example without an envelope works as it stands; those with one are in `engines`."""

from __future__ import annotations

from typing import Any

import orjson

from tests.integration.process_helper import ProcessHelper, unique
from zeebe_amqp.errors import Code
from zeebe_amqp.reply import Reply

PRODUCT = {"productId": "7", "productName": "a kettle", "productKey": "k-7"}
"""Three texts, as most examples send them."""


async def test_the_example_without_envelope_needs_a_name_and_the_property_type(process: ProcessHelper) -> None:
    async def answer(name: str, **properties: Any) -> Reply:
        data = {"messageName": name, "correlationKey": "2", "timeToLive": "1m", "variables": PRODUCT}
        return Reply.decode((await process.caller.request(orjson.dumps(data), **properties)).body)

    fine = await answer(unique("message"), type="publish-message")
    assert (fine.operation, fine.error, type(fine.data["key"])) == ("publish-message", None, int)
    nameless, typeless = await answer("", type="publish-message"), await answer(unique("message"))
    assert nameless.error is not None
    assert (nameless.error.code, nameless.error.details) == (Code.INVALID_ARGUMENT, {"field": "data.messageName"})
    assert typeless.error is not None
    assert (typeless.operation, typeless.error.code) == (None, Code.INVALID_ARGUMENT)
    assert "operation missing" in typeless.error.message
