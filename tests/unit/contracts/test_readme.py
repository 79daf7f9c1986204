from __future__ import annotations

import re
from pathlib import Path

import zeebe_amqp
from tests.cases import check_all

README = Path(__file__).parents[3] / "contracts" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_of_the_readme_run() -> None:
    check_all(EXAMPLES, lambda example: exec(compile(example, str(README), "exec"), {}))


def test_every_public_name_exists() -> None:
    assert all(hasattr(zeebe_amqp, name) for name in zeebe_amqp.__all__)
