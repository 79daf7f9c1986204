"""Programs in Go: compiled from their modules, each pinned by its hash, once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from scripts import cache
from scripts.process import ServerError


def go(sources: Path) -> str:
    """The path of Go, for the module in a folder.

    Raises:
        ServerError: it is not installed.
    """
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if not found:
        wanted = (sources / "go.mod").read_text().partition("\ngo ")[2].split()[0]
        raise ServerError(
            f"go was not found: {'/'.join(sources.parts[-2:])} needs Go {wanted} or newer (https://go.dev/dl), "
            "or Go 1.21 or newer, which fetches that one by itself"
        )
    return found


def built(sources: Path, packages: str, name: str) -> Path:
    """The folder of the programs in some packages of a module, compiled when they are missing.

    Args:
        sources: the folder of the module.
        packages: what Go compiles, a pattern or a path.
        name: what the folder's name in the cache begins with.

    Raises:
        ServerError: there is no Go, or it failed; its own messages are above.
    """
    files = sorted(file for file in sources.rglob("*") if file.is_file())
    target = cache.folder() / f"{name}-{hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:12]}"
    if not target.exists():
        print(f"compiling {'/'.join(sources.parts[-2:])} with Go into {target}, once", flush=True)
        with cache.workspace() as work:
            command = [go(sources), "build", "-trimpath", "-buildvcs=false", "-o", f"{work / 'bin'}/", packages]
            if subprocess.run(command, cwd=sources, check=False).returncode:
                raise ServerError(f"Go could not compile {packages} (its messages are above)")
            cache.publish(work / "bin", target)
    return target
