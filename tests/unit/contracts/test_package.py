"""What callers install: what importing it costs and needs, what it names, and that all of that is explained."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zeebe_amqp
from tests.cases import check_all, for_each
from zeebe_amqp import client, testing

PACKAGE = Path(zeebe_amqp.__file__).parent
README = PACKAGE.parent / "README.md"


def run(program: str, hidden: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program that does not find the module `hidden`."""
    lines = f"import sys\nsys.modules[{hidden!r}] = None\n{program}" if hidden else program
    return subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=120, check=False)


def test_the_contract_alone_imports_no_library_of_the_client() -> None:
    names = ("aio_pika", "aiormq", "opentelemetry", "asyncio")
    program = f"import sys, zeebe_amqp\nprint([name for name in sys.modules if name.partition('.')[0] in {names!r}])"
    assert run(program).stdout == "[]\n"


CLIENT = "from zeebe_amqp import Topology\nfrom zeebe_amqp import Client"
NO_CLIENT = "ImportError: Client needs the extra `client`: pip install 'zeebe-amqp[client]'\n"
PROGRAM = "from zeebe_amqp.__main__ import main; sys.exit(main())"
NO_PROGRAM = "zeebe-amqp: the extra `cli` is missing: pip install 'zeebe-amqp[cli]'\n"


@for_each([(CLIENT, 1, NO_CLIENT, ("aio_pika", "aiormq")), (PROGRAM, 2, NO_PROGRAM, ("click", "rich", "aio_pika"))])
def test_without_extra_it_says_what_to_install(program: str, code: int, told: str, modules: tuple[str, ...]) -> None:
    for module in modules:
        ended = run(program, module)
        assert (ended.returncode, ended.stderr.splitlines(keepends=True)[-1]) == (code, told), module
        assert program != PROGRAM or ended.stderr == told
    ended = run(program, "yarl")
    assert (ended.returncode, "extra" in ended.stderr.splitlines()[-1]) == (1, False)


def test_without_opentelemetry_the_client_works_silently() -> None:
    program = (
        "from zeebe_amqp.client.tracing import Silent, tracing\n"
        "found = tracing()\n"
        "assert type(found) is Silent\n"
        "with found.request('topology', 'q', replied=True) as headers: assert headers == {}\n"
        "print('silent')"
    )
    assert run(program, "opentelemetry").stdout == "silent\n"


def test_the_clients_names_are_those_of_its_package_and_no_other_exists() -> None:
    for name in zeebe_amqp._CLIENT:
        assert getattr(zeebe_amqp, name) is getattr(client, name)
        assert name in client.__all__
        assert name in zeebe_amqp.__all__
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        zeebe_amqp.Clinet  # noqa: B018 - asking is the test


@for_each(re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL))
def test_the_examples_of_the_readme_run(example: str) -> None:
    exec(compile(example, str(README), "exec"), {})


def test_everything_public_of_a_module_is_explained() -> None:
    rules = ["--isolated", "--select", "D100,D101,D102,D103,D104", "--output-format", "concise"]
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--quiet", *rules, str(PACKAGE)]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""

    def is_explained(path: Path) -> None:
        """Its constants, of which the rules do not know."""
        text = path.read_text(encoding="utf-8")
        body, listed = (
            ast.parse(text).body,
            "".join(re.findall(r"^__all__ = \[(.*?)\]", text, re.DOTALL | re.MULTILINE)),
        )
        for statement, following in zip(body, [*body[1:], None], strict=False):
            match statement, following:
                case _, ast.Expr(value=ast.Constant(value=str())):
                    pass
                case ast.AnnAssign(target=ast.Name(id=name)), _:
                    assert name.startswith("_") or (listed and f'"{name}"' not in listed), name

    check_all(sorted(PACKAGE.rglob("*.py")), is_explained)


@for_each([(module, name) for module in (zeebe_amqp, testing) for name in module.__all__])
def test_every_public_name_exists_and_is_explained_at_run_time(module: object, name: str) -> None:
    """What an editor shows; not what was inherited."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
        assert value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
