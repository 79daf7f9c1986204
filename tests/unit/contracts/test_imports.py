"""What importing the contract costs, and what it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import zeebe_amqp
from zeebe_amqp import client


def run(program: str, hidden: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program that does not find the module `hidden`."""
    lines = f"import sys\nsys.modules[{hidden!r}] = None\n{program}" if hidden else program
    return subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=120, check=False)


def test_the_contract_alone_imports_no_library_of_the_client() -> None:
    names = ("aio_pika", "aiormq", "opentelemetry", "asyncio")
    program = f"import sys, zeebe_amqp\nprint([name for name in sys.modules if name.partition('.')[0] in {names!r}])"
    assert run(program).stdout == "[]\n"


def test_without_its_extra_the_client_says_what_to_install_and_blames_no_other_module_on_it() -> None:
    program = "from zeebe_amqp import Topology\nfrom zeebe_amqp import Client"
    for module in ("aio_pika", "aiormq"):
        told = "ImportError: Client needs the extra `client`: pip install 'zeebe-amqp[client]'"
        assert told in run(program, module).stderr, module
    ended = run(program, "yarl")
    assert (ended.returncode, "extra" in ended.stderr.splitlines()[-1]) == (1, False)


def test_without_its_extra_the_program_says_what_to_install_and_blames_no_other_module_on_it() -> None:
    program = "from zeebe_amqp.__main__ import main; sys.exit(main())"
    for module in ("click", "rich", "aio_pika"):
        ended = run(program, module)
        told = "zeebe-amqp: the extra `cli` is missing: pip install 'zeebe-amqp[cli]'\n"
        assert (ended.returncode, ended.stderr) == (2, told), module
    ended = run(program, "yarl")
    assert (ended.returncode, "extra" in ended.stderr.splitlines()[-1]) == (1, False)


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
    assert run(program, "opentelemetry").stdout == "silent\n"
