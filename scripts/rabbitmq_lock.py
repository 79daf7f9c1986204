"""Write down which packages of a later Debian a newer RabbitMQ is made of, with their hashes (`make lock-brokers`)."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from scripts.cache import digest
from scripts.process import ServerError
from scripts.rabbitmq_release import NEWER, ROOT, Unpacked, mirrors

NEEDED = ("rabbitmq-server", "bash", "coreutils", "sed", "grep", "gawk", "util-linux", "procps")
UNUSED = re.compile(
    r"adduser|debconf|dpkg|init-system|login|passwd|pam|python|rabbitmqadmin|semanage|socat|systemd_|systemd-shared|tzdata|media-types|netbase"
)
"""Packages that only an installation asks for."""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@contextmanager
def apt_of(suite: str) -> Iterator[tuple[Path, list[str]]]:
    """An apt-get with lists and a state of its own, for another release of Debian; where it keeps what it downloads.

    Raises:
        ServerError: this machine has no mirror of Debian.
    """
    mirror = next(iter(mirrors()), None)
    if mirror is None:
        raise ServerError("this machine has no mirror of Debian among its sources of packages")
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        archives, sources, nothing = state / "archives", state / "sources.list", state / "nothing"
        for new in (state / "lists" / "partial", archives / "partial", nothing):
            new.mkdir(parents=True)
        (state / "status").touch()
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
        own = {
            "State": state, "State::lists": state / "lists", "State::status": state / "status", "Cache": state,
            "Cache::archives": archives, "Etc::sourcelist": sources, "Etc::sourceparts": nothing,
            "Etc::preferencesparts": nothing,
        }  # fmt: skip
        options = [word for name, value in own.items() for word in ("-o", f"Dir::{name}={value}")]
        yield archives, ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *options]


def run(command: list[str]) -> str:
    """What a command prints.

    Raises:
        ServerError: it failed; with its messages.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"{command[0]} failed: {done.stderr}")
    return done.stdout


def lock(release: Unpacked) -> None:
    """Write down the packages that Debian has today.

    Raises:
        ServerError: apt-get failed; with its messages.
    """
    lines = []
    with apt_of(release.suite) as (archives, apt):
        run([*apt, "update"])
        install = [*apt, "install", "--yes", "--no-install-recommends", *NEEDED]
        paths = re.findall(r"/(pool/\S+)'", run([*install, "--print-uris"]))
        run([*install, "--download-only"])
        by_version = {name_and_version(file.name.replace("%3a", ":")): file for file in archives.glob("*.deb")}
        for path in sorted(paths):
            name = Path(path).name
            if not UNUSED.search(name):
                lines.append(f"{path} sha256:{digest(by_version[name_and_version(name)])}\n")
    head = f"# Debian {release.suite} on {datetime.now(UTC):%Y-%m-%d}, amd64; made by `make lock-brokers`\n"
    release.lock.write_text(head + "".join(lines))
    print(f"{release.lock.relative_to(ROOT)}: {len(lines)} packages, RabbitMQ {release.version}")


def name_and_version(file: str) -> str:
    """A package's file without the epoch of its version, which the pool leaves out, and without escapes."""
    return re.sub(r"_\d+:", "_", file.replace("%2b", "+").replace("%7e", "~"))


def main(names: list[str]) -> int:
    """Lock the releases of these names, or all; the exit status."""
    try:
        for name in names or NEWER:
            lock(NEWER[name])
    except ServerError as problem:
        print(f"make lock-brokers: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
