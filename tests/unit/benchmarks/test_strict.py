"""The attacks on strict replies: what is kept of them, and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.strict import page, result
from benchmarks.strict.attacks import ATTACKS, Outcome, possible
from benchmarks.strict.ground import Ground

WITHOUT_EFFECT = {"send a request in the other's name", "name the other's routing key in `reply_to`"}
"""What the broker, or the service, refuses whatever the permissions."""


def test_no_attack_reached_anything_on_any_release_and_each_of_them_works() -> None:
    found = result.read()
    assert [each.release.rpartition(".")[0] for each in found] == ["3.10", "4.3"]
    for each in found:
        assert list(each.problems()) == []
        assert {*each.strict} == {*each.everything} == {attack.name for attack in ATTACKS}
        weak = {name for shown in (each.lax, each.everything) for name, what in shown.items() if "**" in what}
        assert weak == each.strict.keys() - WITHOUT_EFFECT, each.release


def test_an_attack_that_reaches_something_is_a_problem() -> None:
    first, *_ = result.read()
    for shown in ({}, {**first.strict, ATTACKS[0].name: Outcome("", ("read",), "").shown}):
        assert list(replace(first, strict=shown).problems())
    assert Outcome("", (), "ACCESS_REFUSED").shown == result.REFUSED
    assert Outcome("", (), "").shown == result.NOTHING


def test_without_strict_replies_there_is_no_exchange_to_attack() -> None:
    lax, strict = (len(possible(Ground("h", ("q",), exchange))) for exchange in (None, "replies"))
    assert lax < strict == len(ATTACKS)


def test_results_are_kept_by_release(tmp_path: Path) -> None:
    [first, *others], file = result.read(), tmp_path / "strict.json"
    for each in (*others, first, replace(first, date="later")):
        result.write(each, file)
    assert result.read(file) == [replace(first, date="later"), *others]


def test_the_page_has_the_permissions_and_the_attacks_of_today() -> None:
    text = page.PAGE.read_text()
    assert page.made(text, result.read()) == text, "make strict PAGE=yes"
    assert text.count("<!-- made:") == text.count("<!-- end -->") == 2
