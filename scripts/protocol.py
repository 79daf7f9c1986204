"""The generated gRPC messages: made anew from the engine's published protocol, or compared with it.

`python -m scripts.protocol` writes them (`make proto`), `--check` compares (`make proto-check`). The protocol's own
file stays in the cache: its licence covers that file, not what is generated from it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from scripts import cache, maven
from scripts.process import ServerError

VERSION = "8.9.0-rc1"
ARTIFACT = f"io.camunda:zeebe-gateway-protocol:{VERSION}:jar"
SOURCE = "gateway.proto"
GENERATED = ("gateway_pb2.py", "gateway_pb2.pyi")
TARGET = Path(__file__).resolve().parent.parent / "consumer" / "zeebe" / "protocol"


def published() -> Path:
    """The folder of the cache with the published protocol file, downloaded when it is missing."""
    folder = cache.folder() / f"protocol-{VERSION}-{cache.key(cache.MAVEN_LOCK)}"
    if not (folder / SOURCE).exists():
        with cache.workspace() as work:
            jar = maven.fetch(ARTIFACT, work)
            folder.mkdir(exist_ok=True)
            with zipfile.ZipFile(jar) as packed:
                Path(packed.extract(SOURCE, work)).rename(folder / SOURCE)
    return folder


def generate(target: Path) -> None:
    """Write the generated files into the folder `target`.

    Raises:
        ServerError: the generator failed; its messages are above.
    """
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{published()}"]
    command += [f"--python_out={target}", f"--pyi_out={target}", SOURCE]
    if subprocess.run(command, check=False).returncode:
        raise ServerError("the protocol could not be compiled")


def differing() -> list[str]:
    """The names of the generated files that are not what the published protocol gives."""
    with tempfile.TemporaryDirectory() as work:
        generate(Path(work))
        return [name for name in GENERATED if (Path(work) / name).read_bytes() != (TARGET / name).read_bytes()]


def main() -> int:
    """Generate or compare; the exit status."""
    parser = argparse.ArgumentParser(description=f"generated messages of the gateway protocol {VERSION}")
    parser.add_argument("--check", action="store_true", help="compare only; fails when a file differs")
    try:
        if parser.parse_args().check:
            different = differing()
            print(
                f"differs from protocol {VERSION}: {', '.join(different)}; run `make proto`"
                if different
                else f"same as protocol {VERSION}"
            )
            return 1 if different else 0
        generate(TARGET)
    except ServerError as problem:
        print(f"make proto: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
