"""Programs from Debian's and Ubuntu's packages: installed when missing, and never started by being installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from scripts import cache
from scripts.process import ServerError

INSTALL = """\
set -e
policy=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.d/ours.conf
ours=$clusters
trap 'rm -f $ours' EXIT
mkdir -p "${clusters%/*}"
echo "create_main_cluster = false" >"$clusters"
if [ ! -e "$policy" ]; then
    ours="$clusters $policy"
    printf '#!/bin/sh\\nexit 101\\n' >"$policy"
    chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
bytes=$(apt-get install -qq -y --no-install-recommends --print-uris "$@" | awk '{ sum += $3 } END { print sum + 0 }')
begin=$(date +%s)
apt-get install -qq -y --no-install-recommends "$@"
echo "$*: $((bytes / 1000000)) MB in $(($(date +%s) - begin)) s"
"""
"""Debian asks policy-rc.d whether a package may start its service: not while we install. Nor does PostgreSQL's make a
database then: our servers have their own."""


def ensure(programs: Iterable[tuple[str, str]]) -> None:
    """Install the packages of the programs that are missing; `programs` are pairs of path or name, and package.

    Raises:
        ServerError: a package is missing and cannot be installed; the text says what to do.
    """
    missing = sorted({package for program, package in programs if not found(program)})
    if missing:
        print(f"installing {', '.join(missing)} with apt-get", flush=True)
        install(missing)


def found(program: str) -> bool:
    """Whether a program is there, also in the folders of system programs that a user's PATH may lack."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def install(packages: list[str]) -> None:
    """Install packages with apt-get, as root or through sudo.

    Raises:
        ServerError: there is no apt-get or no right to use it, or it failed.
    """
    wanted = f"please install {' '.join(packages)} yourself"
    if not shutil.which("apt-get"):
        raise ServerError(f"this machine has no apt-get: {wanted}")
    command = ["sh", "-c", INSTALL, "install", *packages]
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise ServerError(f"not root, and sudo is missing: {wanted}")
        command = ["sudo", *command]
    with cache.locked("apt-get"):  # which waits for nobody
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL if os.environ.get("CI") else None)
    if done.returncode:
        raise ServerError(f"apt-get failed (its messages are above): {wanted}")


DOWNLOAD = """\
set -e
cd "$2"
get() { apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$1"; }
get "$1" || { apt-get update -qq; get "$1"; }
dpkg-deb --extract ./*.deb unpacked
rm ./*.deb
"""
"""Needs no right to install; `update` does, and is tried only when the lists know no such package."""


def unpack(package: str, folder: Path) -> Path:
    """Download a package and unpack it below `folder`, without installing it; where its files are.

    Raises:
        ServerError: there is no apt-get, or it failed.
    """
    if not shutil.which("apt-get"):
        raise ServerError(f"this machine has no apt-get: please install {package} yourself")
    with cache.locked("apt-get"):
        done = subprocess.run(["sh", "-c", DOWNLOAD, "download", package, str(folder)], check=False)
    if done.returncode:
        raise ServerError(f"apt-get failed (its messages are above): please install {package} yourself")
    return folder / "unpacked"
