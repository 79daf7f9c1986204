"""Pin every container image by the digest that its registry has for it today (`make images`); needs Docker.

The Dockerfile and the workflows get the digest behind the tag. Compose lets people choose versions, so its digests are
in a file beside it: `docker compose -f docker-compose.yml -f deploy/compose.digests.yml up`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.process import ServerError

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = Path("docker-compose.yml")
DIGESTS = Path("deploy/compose.digests.yml")
REFERENCE = re.compile(r"(?<![\w/.-])((?:debian|ubuntu|python):\d[\w.-]*)(?:@sha256:[0-9a-f]{64})?")
"""An image in the Dockerfile or in a workflow; the group is without its digest."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def pinned_in_place(root: Path = ROOT) -> list[Path]:
    """The files whose images have their digests behind them."""
    return [root / "Dockerfile", *sorted((root / ".github" / "workflows").glob("*.yml"))]


def services(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """The services of Compose, each with the image that is taken where no variable says another."""
    text = (root / COMPOSE).read_text()
    for name, image in re.findall(r"^  (\w+):\n(?:    .*\n| *#.*\n)*?    image: (\S+)$", text, re.MULTILINE):
        yield name, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", image)


def digest(image: str) -> str:
    """What the registry has for an image: of its list for all processors, where it has one.

    Raises:
        ServerError: Docker is missing, or does not say.
    """
    if not shutil.which("docker"):
        raise ServerError("docker was not found: it asks the registry")
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", image]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    found = done.stdout.strip()
    if done.returncode or not DIGEST.fullmatch(found):
        raise ServerError(f"docker does not say what {image} is:\n{(done.stdout + done.stderr)[-1000:]}")
    return found


def pin(root: Path = ROOT) -> list[str]:
    """Write all digests; the images."""
    images = {found for file in pinned_in_place(root) for found in REFERENCE.findall(file.read_text())}
    images |= {image for _, image in services(root)}
    digests = {image: digest(image) for image in sorted(images)}
    for file in pinned_in_place(root):
        file.write_text(REFERENCE.sub(lambda found: f"{found[1]}@{digests[found[1]]}", file.read_text()))
    lines = [f"  {name}:\n    image: {image}@{digests[image]}\n" for name, image in services(root)]
    (root / DIGESTS).write_text(
        "# Made by `make images`: the versions of docker-compose.yml\nservices:\n" + "".join(lines)
    )
    return list(digests)


def main() -> int:
    """Write all digests; the exit status."""
    try:
        print(f"pinned: {', '.join(pin())}")
    except ServerError as problem:
        print(f"make images: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
