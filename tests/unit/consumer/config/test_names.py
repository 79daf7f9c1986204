"""Messages while the service runs name a setting as the user wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.config import load
from consumer.zeebe.credentials import credentials_for
from consumer.zeebe.failures import Failure
from consumer.zeebe.hints import hint

NOWHERE = "127.0.0.1:1"

COMPONENT = f"""\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: engine}}
spec:
  type: bindings.zeebe.command
  metadata:
    - {{name: gatewayAddr, value: "{NOWHERE}"}}
    - {{name: clientId, value: me}}
    - {{name: clientSecret, value: secret}}
    - {{name: authorizationServerUrl, value: "http://{NOWHERE}/token"}}
"""


@pytest.fixture
def component(tmp_path: Path) -> Path:
    path = tmp_path / "component.yaml"
    path.write_text(COMPONENT)
    return path


async def test_of_a_component_file_by_its_keys_and_without_its_path(component: Path) -> None:
    zeebe = load({"COMPONENT_FILE": str(component)}, directory=component.parent).settings.zeebe
    credentials = credentials_for(zeebe.credentials)
    with pytest.raises(Failure) as raised:
        await credentials.authorization(5)
    await credentials.close()
    assert raised.value.text.startswith("authorizationServerUrl: the authorization server did not answer")
    assert hint("Connection refused", zeebe).startswith("nothing listens at gatewayAddr:")
    # What nobody set is named as its user would write it beside the address.
    assert "usePlainTextConnection=true" in hint("WRONG_VERSION_NUMBER", zeebe)
    assert str(component.parent) not in raised.value.text


def test_of_the_command_line_and_the_environment_as_written_there(tmp_path: Path) -> None:
    loaded = load({"ZEEBE_KEEP_ALIVE": "40s"}, {"ZEEBE_ADDRESS": NOWHERE, "AMQP_URL": "amqp://h"}, tmp_path)
    zeebe, amqp = loaded.settings.zeebe, loaded.settings.amqp
    assert hint("Connection refused", zeebe).startswith("nothing listens at --zeebe-address:")
    assert (zeebe.names["ZEEBE_KEEP_ALIVE"], amqp.names["AMQP_URL"]) == ("ZEEBE_KEEP_ALIVE", "--amqp-url")
