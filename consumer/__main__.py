"""`python -m consumer`."""

import os

# The gRPC library's own notes about lost connections; it reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from consumer.cli import main

if __name__ == "__main__":
    main()
