"""The tests held against small faults: `make mutants` lists those that no test notices."""

from __future__ import annotations
