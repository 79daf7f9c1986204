"""The page docs/rights.md, which shows all this, made from the kept results."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from benchmarks.page import markdown
from benchmarks.rights.judgement import KINDS, PROMISED, Outcome
from benchmarks.rights.result import Audit, Result
from benchmarks.rights.rules import ALICE, MALLORY, NOBODY
from benchmarks.rights.table import Answer

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
COLUMNS = (ALICE, MALLORY, NOBODY)
PAIRS = ("p99 elsewhere / alone", "attacked / elsewhere", "attacked / alone")
BLOCK = re.compile(r"(<!-- made: (rights|attacks|audit) -->)\n.*?(<!-- end -->)", re.DOTALL)


def rights(result: Result) -> str:
    """Who may send which request."""
    cases: dict[str, dict[str, Answer]] = {}
    for each in result.answers:
        cases.setdefault(each.case, {})[each.user] = each
    rows = [(case, *(_cell(by_user[user]) for user in COLUMNS)) for case, by_user in cases.items()]
    problems = sum(bool(each.problems()) for each in result.answers)
    told = (
        f"{len(result.answers)} requests; {problems} of them met something else than a person reads in the rules, than "
        "the policy says when it is asked by itself, or than the audit says."
    )
    return f"{_when(result)} {result.engine}.\n\n{_left(('request', *COLUMNS), rows)}\n\n{told}"


def _cell(answer: Answer) -> str:
    return f"**{answer.shown}**: {answer.rule}" if answer.allowed else f"{answer.shown}: {answer.rule}"


def attacks(result: Result) -> str:
    """What alice noticed of mallory."""
    titles = ("", *(f"{kind}: p50, p99 ms" for kind in KINDS), *PAIRS)
    rows = [_outcome(each) for each in result.outcomes]
    counts = ("", "alice's requests", "wrong answers to her", "mallory's requests", "refused for want of a place")
    counted = [(each.about, *map(str, _counts(each))) for each in result.outcomes]
    how = f"{result.rounds} rounds of {result.seconds:g} s each way, {result.rate:g} requests of alice's per second."
    again = ", ".join(f"{count} {what}" for what, count in result.again.items()) or "none"
    return "\n\n".join(
        (
            f"{_when(result)} {how}",
            markdown((*titles, f"at most {PROMISED:g} times"), rows),
            markdown(counts, counted),
            f"Answered requests of alice's, sent again after the attack on the ledger: {again}. Of all her commands, "
            f"{result.twice} ran more than once.",
        )
    )


def _outcome(outcome: Outcome) -> tuple[str, ...]:
    pairs = (f"{each['p50']:.1f}, {each['p99']:.1f}" for each in (outcome.alone, outcome.elsewhere, outcome.attacked))
    ratios = (f"{each:.2f}" for each in (outcome.ratio_elsewhere, outcome.ratio_of_service, outcome.ratio))
    return outcome.name, *pairs, *ratios, "held" if outcome.held else "not held"


def _counts(outcome: Outcome) -> tuple[int, int, int, int]:
    asked = sum(each["count"] for each in (outcome.alone, outcome.elsewhere, outcome.attacked))
    return asked, outcome.wrong, outcome.mallory["sent"], outcome.refused


def audit(result: Result) -> str:
    """What the audit has of it."""
    rows = [(of, *_audited(each)) for of, each in result.audits.items()]
    lines = [
        f"```json\n{json.dumps(record, ensure_ascii=False)}\n```"
        for each in list(result.audits.values())[:1]
        for record in each.examples.values()
    ]
    titles = ("", "requests", "records", "of these", "a value of the variables is in it")
    return "\n\n".join((markdown(titles, rows), "One record of each decision:", *lines))


def _audited(audit: Audit) -> tuple[str, ...]:
    decisions = ", ".join(
        f"{count} {'not asked' if what == 'None' else what}" for what, count in audit.decisions.items()
    )
    return f"{audit.sent}", f"{audit.records}", decisions, "yes" if audit.marked else "no"


BLOCKS = {"rights": rights, "attacks": attacks, "audit": audit}


def shown(result: Result) -> str:
    """Everything, for a terminal."""
    return "\n\n".join(block(result) for block in BLOCKS.values())


def made(text: str, result: Result) -> str:
    """The page with these results."""
    return BLOCK.sub(lambda found: f"{found[1]}\n\n{BLOCKS[found[2]](result)}\n\n{found[3]}", text)


def make(result: Result) -> None:
    """Write the page anew."""
    PAGE.write_text(made(PAGE.read_text(), result))


def _when(result: Result) -> str:
    return f"{result.date[:10]}, {result.machine};"


def _left(titles: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of text."""
    return markdown(titles, rows).replace(" --: ", " --- ")
