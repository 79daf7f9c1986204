"""The Camunda 7 engine in the settings: what is read, what is refused, what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.config import Basic, Camunda7, ConfigurationError, load

ENGINE = {"CAMUNDA7_REST_URL": "https://c7/engine-rest"}


def refusal(environ: dict[str, str], folder: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, directory=folder)
    return caught.value


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        (ENGINE, Camunda7("https://c7/engine-rest")),
        ({"CAMUNDA7_REST_URL": "http://c7:8080/engine-rest/"}, Camunda7("http://c7:8080/engine-rest")),
        ({**ENGINE, "SIGNAL_ENGINE": "Camunda7"}, Camunda7("https://c7/engine-rest", every=True)),
        ({**ENGINE, "ZEEBE_REQUEST_TIMEOUT": "3s"}, Camunda7("https://c7/engine-rest", request_timeout=3)),
        (
            {**ENGINE, "CAMUNDA7_USER": "user", "CAMUNDA7_PASSWORD": "hush"},
            Camunda7("https://c7/engine-rest", credentials=Basic("user", "hush")),
        ),
        (
            {"CAMUNDA7_REST_URL": "https://us%40er:h%3Aush@c7/engine-rest"},
            Camunda7("https://c7/engine-rest", credentials=Basic("us@er", "h:ush")),
        ),
    ],
)
def test_the_camunda_7_engine_is_read(environ: dict[str, str], expected: Camunda7 | None, tmp_path: Path) -> None:
    found = load(environ, directory=tmp_path).settings.camunda7
    assert found == expected
    assert "hush" not in repr(found)


def test_two_users_for_the_camunda_7_engine_are_refused(tmp_path: Path) -> None:
    environ = {"CAMUNDA7_REST_URL": "http://a:hush@c7", "CAMUNDA7_USER": "b", "CAMUNDA7_PASSWORD": "hush"}
    assert refusal(environ, tmp_path).problems == [
        "CAMUNDA7_USER: set, but CAMUNDA7_REST_URL names a user, too; accepted: one of the two"
    ]


def test_the_url_of_the_camunda_7_engine_is_shown_without_its_password(tmp_path: Path) -> None:
    loaded = load({"CAMUNDA7_REST_URL": "https://user:hush@c7/engine-rest"}, directory=tmp_path)
    assert ("CAMUNDA7_REST_URL", "https://***@c7/engine-rest", "environment") in loaded.sources
    assert "hush" not in str(loaded)
    assert "hush" not in str(refusal({"CAMUNDA7_REST_URL": "ftp://user:hush@c7"}, tmp_path).problems)
