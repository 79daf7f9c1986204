"""What importing the contract costs, and what it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import zeebe_amqp
from zeebe_amqp import client

HIDDEN = "import sys; sys.modules['{module}'] = None\n"


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)


def test_the_contract_alone_imports_no_library_of_the_client() -> None:
    program = "import sys, zeebe_amqp\nprint([name for name in sys.modules if name.partition('.')[0] in {names!r}])"
    assert run(program.format(names=("aio_pika", "aiormq", "opentelemetry", "asyncio"))).stdout == "[]\n"


def test_the_client_without_its_extra_says_what_to_install_and_blames_no_other_module_on_it() -> None:
    for module in ("aio_pika", "aiormq"):
        ended = run(HIDDEN.format(module=module) + "from zeebe_amqp import Topology\nfrom zeebe_amqp import Client")
        told = "ImportError: Client needs the extra `client`: pip install 'zeebe-amqp[client]'"
        assert told in ended.stderr, module
    ended = run(HIDDEN.format(module="yarl") + "from zeebe_amqp import Client")
    assert "extra" not in ended.stderr.splitlines()[-1]
    assert ended.returncode == 1


def test_the_clients_names_are_those_of_its_package_and_no_other_exists() -> None:
    for name in zeebe_amqp._CLIENT:
        assert getattr(zeebe_amqp, name) is getattr(client, name)
        assert name in client.__all__
        assert name in zeebe_amqp.__all__
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        zeebe_amqp.Clinet  # noqa: B018 - asking is the test


def test_without_opentelemetry_the_client_works_silently() -> None:
    program = (
        "from zeebe_amqp.client.tracing import Silent, tracing\n"
        "found = tracing()\n"
        "assert type(found) is Silent\n"
        "with found.request('topology', 'q', replied=True) as headers: assert headers == {}\n"
        "print('silent')"
    )
    assert run(HIDDEN.format(module="opentelemetry") + program).stdout == "silent\n"
