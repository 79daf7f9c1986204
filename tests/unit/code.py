"""Our own code, parsed."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def parsed(*folders: str) -> dict[str, ast.Module]:
    """Each module in some folders by its path in the repository, without what is generated."""
    files = (file for folder in folders for file in sorted((ROOT / folder).rglob("*.py")))
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text()) for file in files if "_pb2" not in file.name}
