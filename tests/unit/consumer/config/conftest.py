"""Settings that are loaded in a folder of their own and far from any terminal, and certificates for them."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from consumer.config import ConfigurationError, load


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    """`load` with the test's folder as the one in which `.env` is looked for."""
    return partial(load, directory=tmp_path)


@pytest.fixture
def problems(loaded: Any) -> Any:
    """What is told of settings that are refused."""

    def told(*given: dict[str, str]) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            loaded(*given)
        assert str(caught.value).splitlines() == caught.value.problems
        return caught.value.problems

    return told


@pytest.fixture(scope="session")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of an authority, a certificate, its key and somebody else's key."""
    folder, authority = tmp_path_factory.mktemp("pems"), trustme.CA()
    mine, other = authority.issue_cert("localhost"), authority.issue_cert("elsewhere")
    blobs = {"ca": authority.cert_pem, "cert": mine.cert_chain_pems[0], "key": mine.private_key_pem}
    for name, blob in {**blobs, "other": other.private_key_pem}.items():
        blob.write_to_path(str(folder / name))
    return {name: str(folder / name) for name in (*blobs, "other")}
