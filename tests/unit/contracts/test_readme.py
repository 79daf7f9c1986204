from __future__ import annotations

import re
from pathlib import Path

import pytest

import zeebe_amqp

README = Path(__file__).parents[3] / "contracts" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_readme_run(example: str) -> None:
    exec(compile(example, str(README), "exec"), {})


def test_every_public_name_exists() -> None:
    assert EXAMPLES
    assert all(hasattr(zeebe_amqp, name) for name in zeebe_amqp.__all__)
