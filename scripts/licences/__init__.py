"""The licences of what ships and of what development fetches: `make licences` lists them, tests judge them."""

from __future__ import annotations
