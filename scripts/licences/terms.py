"""Names of licences: from what packages declare to SPDX's, and which of them are open source."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAMES = {
    r"camunda license": "LicenseRef-Camunda-1.0",
    r"zeebe community license": "LicenseRef-Zeebe-Community-1.1",
    # It takes back what the licence before it gives.
    r"commons clause": "LicenseRef-Commons-Clause",
    r"apache.*2|\bal 2": "Apache-2.0",
    r"apache software license$|^apache$": "Apache-2.0",
    r"(lgpl|lesser general public license).*3": "LGPL-3.0-only",
    r"lgpl|lesser general public license": "LGPL-2.1-only",
    r"(gpl|general public license).*2.*(classpath|cpe)": "GPL-2.0-only WITH Classpath-exception-2.0",
    r"(gpl|general public license).*2": "GPL-2.0-only",
    r"general public license \(gpl\)": "GPL-2.0-or-later",
    r"(epl|eclipse public license).*1": "EPL-1.0",
    r"(epl|eclipse public license).*2": "EPL-2.0",
    r"edl|eclipse distribution license": "BSD-3-Clause",
    r"(mpl|mozilla public license).*1\.1": "MPL-1.1",
    r"(mpl|mozilla public license).*2": "MPL-2.0",
    r"cc0": "CC0-1.0",
    r"public domain": "LicenseRef-Public-Domain",
    r"bsd.2|2.clause": "BSD-2-Clause",
    r"bsd.3|3.clause|modified bsd": "BSD-3-Clause",
    r"bsd license": "LicenseRef-BSD",
    r"\bmit\b|jquery license": "MIT",
    r"w3c license": "W3C",
    r"python software foundation license": "PSF-2.0",
}
"""Ways to write a licence, and its SPDX name; the first that is found counts."""

OPEN = {
    "0BSD",
    "AGPL-3.0-only",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "EPL-1.0",
    "EPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "ISC",
    "LGPL-2.1-only",
    "LGPL-3.0-only",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "PSF-2.0",
    "PostgreSQL",
    "Python-2.0",
    "W3C",
    # Of the BSD family, without saying which.
    "LicenseRef-BSD",
    # No licence is needed, or all rights are given up.
    "CC0-1.0",
    "LicenseRef-Public-Domain",
}
"""What the Open Source Initiative has approved, and what asks for nothing."""


def spdx(declared: str) -> str:
    """The SPDX name or expression of what a package declares; as it is when it is unknown."""
    if set(ids(declared)) <= OPEN or re.search(" (AND|OR) ", declared):
        return declared
    text = " ".join(declared.lower().split())
    return next((name for pattern, name in NAMES.items() if re.search(pattern, text)), declared)


def ids(expression: str) -> list[str]:
    """The names in an SPDX expression, without exceptions to them."""
    parts = re.split(r"\s+(?:AND|OR)\s+|[()]", expression)
    return [name for part in parts if (name := part.partition(" WITH ")[0].strip())]


def join(declared: Iterable[str]) -> str:
    """One text for all that a package declares; empty when that is nothing."""
    return ", ".join(dict.fromkeys(map(spdx, declared)))


def is_open(licence: str) -> bool:
    """Whether every licence in such a text is open source; none at all is not."""
    return bool(licence) and all(set(ids(each)) <= OPEN for each in licence.split(", "))
