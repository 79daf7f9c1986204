"""RabbitMQ in other releases than the machine's Debian has: `make servers BROKER=4.3`.

The packages of a later Debian are unpacked into a folder of the cache, and nothing is installed. A program of them runs
in a mount namespace of its own, in which that folder stands in the place of /usr; everything else is the machine's.
That needs root.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scripts import cache, transfer
from scripts.process import ServerError

VARIABLE = "BROKER"
"""Names the release that every private node is of."""
WITHOUT_NEWER = "BROKER_NEWER"
"""`no`: the tests on the newest release are left out, and the last lines of the run say so."""
PACKAGED = Path("/usr/lib/rabbitmq/bin")
"""Debian's scripts. The ones on PATH there insist on the user and the default node of the machine."""
ROOT = Path(__file__).resolve().parent.parent

MIRRORS = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)", "Created-By: Packages"]
ARCHIVE = "https://snapshot.debian.org/archive/debian/{day}T235959Z/"
"""Keeps what the mirrors drop when a release of Debian moves on."""
DOWNLOADER = "/usr/lib/apt/apt-helper"
"""Downloads as apt-get does, with its proxies, and compares hashes."""
IN_PLACE_OF_USR = 'mount --bind "$0" /usr && exec "$@"'

PLACES = ("usr/lib/rabbitmq/bin", "usr/bin")
SHELL = {"sh": "bash", "awk": "gawk"}
"""What an installation would link."""


class Release:
    """What private nodes are of: a RabbitMQ whose programs can be started."""

    name: str
    """As people say it: "4.3"."""
    configuration: tuple[str, ...] = ()
    """Lines for the configuration of every node: what Debian has changed is as the release has it."""

    def command(self, program: str) -> list[str]:
        """What starts one of its programs, for example "rabbitmqctl".

        Raises:
            ServerError: it is not there, or cannot run here; the text says what to do.
        """
        raise NotImplementedError


class Packaged(Release):
    """The one that this machine has, as `make servers` installs it when it is missing."""

    name = ""

    def command(self, program: str) -> list[str]:
        found = shutil.which(program, path=str(PACKAGED)) or shutil.which(program)
        if not found:
            raise ServerError(f"{program} was not found: `make servers` installs RabbitMQ, or set AMQP_URL to a broker")
        return [found]


@dataclass(frozen=True)
class Unpacked(Release):
    """One from the packages of another release of Debian, in a folder of the cache."""

    name: str
    suite: str
    """Debian's name of that release."""
    configuration: tuple[str, ...] = ()

    @property
    def lock(self) -> Path:
        """The file with its packages and their hashes, a line each; the first line tells the day."""
        return ROOT / "requirements" / f"rabbitmq-{self.name}.lock"

    @property
    def packages(self) -> list[tuple[str, str]]:
        """Where its packages are below a mirror, and their SHA-256."""
        return re.findall(r"^(\S+) sha256:(\w+)$", self.lock.read_text(), re.MULTILINE)

    @property
    def version(self) -> str:
        """All of its version: "4.3.6"."""
        return self._locked(r"/rabbitmq-server_([0-9.]+)")

    @property
    def folder(self) -> Path:
        """Where it is unpacked; it need not exist. Another lock gets another folder."""
        return cache.folder() / f"rabbitmq-{self.version}-{hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]}"

    def _locked(self, pattern: str) -> str:
        [found] = re.findall(pattern, self.lock.read_text())
        return str(found)

    def ensure(self) -> Path:
        """Download and unpack it when it is missing; its folder.

        Raises:
            ServerError: it cannot run here, or could not be downloaded; the text says what to do.
        """
        self._check_machine()
        if not self.folder.exists():
            print(f"downloading RabbitMQ {self.version} and what it needs, from Debian {self.suite}, once", flush=True)
            with cache.workspace() as work:
                with transfer.told(f"RabbitMQ {self.version}", lambda: transfer.size(work)):
                    files = self._download(work)
                for file in files:
                    subprocess.run(["dpkg-deb", "--extract", str(file), str(work / "root")], check=True)
                for link, program in SHELL.items():
                    (work / "root" / "usr" / "bin" / link).symlink_to(program)
                cache.publish(work / "root", self.folder)
        return self.folder

    def _check_machine(self) -> None:
        if not may_mount():
            why = "runs in a mount namespace of its own, which needs root (in a container also CAP_SYS_ADMIN)"
        elif platform.machine() != "x86_64" or not Path(DOWNLOADER).exists() or not Path("/bin").is_symlink():
            why = "needs Debian 12, Ubuntu 22.04 or newer, on amd64"
        else:
            return
        raise ServerError(f"RabbitMQ {self.name} {why}; `{WITHOUT_NEWER}=no make test` tests without it")

    def _download(self, work: Path) -> list[Path]:
        day, failures = self._locked(r"on (\d{4}-\d\d-\d\d)").replace("-", ""), []
        files = [work / Path(path).name for path, _ in self.packages]
        for mirror in (*mirrors(), ARCHIVE.format(day=day)):
            command = [DOWNLOADER, "-o", "APT::Sandbox::User=root", "download-file"]
            for (path, digest), file in zip(self.packages, files, strict=True):
                command += [f"{mirror}{path}", str(file), f"SHA256:{digest}"]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if not done.returncode:
                return files
            failures.append(f"{mirror}: {done.stderr.strip()[-500:]}")
        raise ServerError(
            f"RabbitMQ {self.version} could not be downloaded; when Debian {self.suite} has moved on for good, "
            f"`make lock-brokers` locks what it has now. {' '.join(failures)}"
        )

    def command(self, program: str) -> list[str]:
        self._check_machine()
        if not self.folder.exists():
            raise ServerError(
                f"RabbitMQ {self.version} is not there: `make servers {VARIABLE}={self.name}` downloads it"
            )
        usr = str(self.folder / "usr")
        return ["unshare", "--mount", "sh", "-c", IN_PLACE_OF_USR, usr, *found_in(self.folder, program)]


@functools.cache
def may_mount() -> bool:
    """Whether we may make a mount namespace and mount in it."""
    command = ["unshare", "--mount", "mount", "--bind", "/usr", "/usr"]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0


def found_in(folder: Path, program: str) -> list[str]:
    """Where a program is in an unpacked folder that stands for /."""
    return [f"/{place}/{program}" for place in PLACES if (folder / place / program).exists()][:1]


NEWEST = "4.3"
NO_TRANSIENT = "deprecated_features.permit.transient_nonexcl_queues = false"
NEWER = {each.name: each for each in (Unpacked("4.0", "trixie"), Unpacked(NEWEST, "forky", (NO_TRANSIENT,)))}


def release(name: str | None = None) -> Release:
    """The release of a name, without one the one that `BROKER` names, and without that what the machine has.

    Raises:
        ServerError: there is none of that name.
    """
    wanted = os.environ.get(VARIABLE, "") if name is None else name
    if wanted and wanted not in NEWER:
        raise ServerError(
            f"{VARIABLE}: found {wanted!r}, accepted: {', '.join(NEWER)}, or nothing for the machine's own"
        )
    return NEWER[wanted] if wanted else Packaged()


def mirrors() -> list[str]:
    """The addresses that this machine has Debian's packages from; none on Ubuntu, which has packages of its own."""
    listed = subprocess.run(MIRRORS, check=False, capture_output=True, text=True).stdout.splitlines()
    found = [line.removeprefix("Debian|") for line in listed if line.startswith("Debian|") and "security" not in line]
    return [f"{each.rstrip('/')}/" for each in found[:1]]
