"""Print the AsyncAPI document: `python -m zeebe_amqp.asyncapi`."""

from __future__ import annotations

import sys

from zeebe_amqp.asyncapi.page import text

if __name__ == "__main__":
    sys.stdout.write(text())
