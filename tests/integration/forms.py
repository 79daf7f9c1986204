"""Forms of the tests as JSON texts."""

from __future__ import annotations

import json


def approval(name: str) -> str:
    """A form with one box to tick."""
    box = {"key": "approved", "label": "Approved", "type": "checkbox", "id": "box"}
    return json.dumps({"id": name, "type": "default", "schemaVersion": 16, "components": [box]})
