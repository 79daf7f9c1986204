from __future__ import annotations

import re
from pathlib import Path

from tests.cases import for_each

README = Path(__file__).parents[3] / "contracts" / "README.md"


@for_each(re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL))
def test_the_examples_of_the_readme_run(example: str) -> None:
    exec(compile(example, str(README), "exec"), {})
