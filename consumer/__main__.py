"""`python -m consumer`."""

import gc
import os

# The gRPC library's own notes about lost connections; it reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# Nothing of what is imported is garbage: to look for some takes a tenth of the time until a command runs.
gc.disable()

from consumer.cli import main  # noqa: E402 - that is what it is for

gc.enable()

if __name__ == "__main__":
    main()
