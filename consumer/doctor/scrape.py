"""What a running service's /metrics says: values by series, read without knowing more of the format than we write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["MAX_PAGE", "read_series", "series"]

MAX_PAGE: Final = 2**23
"""Bytes of a page that are read: hundreds of types of jobs have a dozen series each."""
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def series(metric: str, **labels: str) -> str:
    """The name of a series as the page writes it."""
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{metric}{{{inside}}}" if inside else metric


def read_series(page: bytes) -> Mapping[str, float]:
    """Every series of a page with its value; what is none is left out, whoever answered."""
    found = {}
    for line in page.decode(errors="replace").split("\n"):
        name, _, value = line.rpartition(" ")
        try:
            found[name] = float(value)
        except ValueError:
            continue
    return found
