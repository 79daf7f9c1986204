"""What is said of the request queues and of the dead letters."""

from __future__ import annotations

from typing import Any

from consumer.config import Amqp
from consumer.doctor.dead_letters import judge_dead_letters
from consumer.doctor.finding import Level
from consumer.doctor.management import ManagementFacts, QueuePolicy
from consumer.doctor.queues import judge_queues
from consumer.rabbitmq.differences import Difference
from consumer.rabbitmq.look import ExchangeFacts
from tests.cases import check_all
from tests.unit.consumer.doctor.facts import OK, PROBLEM, UNSEEN, WARNING, broker, by_subject, expect, levels, queue
from zeebe_amqp import wire

NAME = "zeebe.commands"
ACTIVE, PASSIVE = Amqp(), Amqp(declare="passive")
TOLD = ManagementFacts({}, bound=True)
ARGUMENTS = dict(wire.REQUEST_QUEUE)


def without(argument: str) -> dict[str, Any]:
    return {name: value for name, value in ARGUMENTS.items() if name != argument}


def differs(argument: str, theirs: Any) -> dict[str, Any]:
    return {"differences": (Difference(argument, ARGUMENTS.get(argument), theirs),)}


def test_where_all_is_well_there_is_neither_warning_nor_problem() -> None:
    assert levels(judge_queues(broker(), ACTIVE, {})) == {OK, UNSEEN}
    policies = {name: QueuePolicy("bounds", {"max-length": 10}) for name in (NAME, wire.DEAD_LETTER)}
    assert levels(judge_queues(broker(), ACTIVE, policies)) == {OK}
    assert levels(judge_dead_letters(broker(), ACTIVE, None)) == {OK, UNSEEN}
    assert levels(judge_dead_letters(broker(), ACTIVE, ManagementFacts(policies, bound=True))) == {OK}


REFUSED = {"arguments": None, "declaring": "ACCESS_REFUSED - x; user 'ann' needs the right to configure"}
QUEUES: list[tuple[Any, ...]] = [
    (NAME, {"there": False}, ACTIVE, WARNING, "the service declares it", "start the service"),
    (NAME, {"there": False}, PASSIVE, PROBLEM, "AMQP_DECLARE=passive", "declare it with x-queue-type quorum"),
    (NAME, {"there": None}, ACTIVE, UNSEEN, "not allowed to look", "rabbitmqctl list_queues"),
    (NAME, {"there": None, "failing": "late"}, ACTIVE, PROBLEM, "it does not answer: late", "more than half"),
    (NAME, {"locked": True}, ACTIVE, PROBLEM, "exclusively", "owner_pid"),
    (NAME, {"messages": 7}, ACTIVE, OK, "7 messages wait, 1 consumers"),
    ("arguments", {}, ACTIVE, OK, "x-queue-type quorum", "x-delivery-limit 20"),
    ("arguments", REFUSED, PASSIVE, UNSEEN, "right to configure", "must show x-queue-type quorum"),
    ("x-delivery-limit", differs("x-delivery-limit", 5), ACTIVE, PROBLEM, "is 5; the service declares 20",
     "rabbitmqctl delete_queue zeebe.commands --if-empty", "AMQP_DECLARE=passive", "kills the service"),
    ("x-delivery-limit", differs("x-delivery-limit", 5), PASSIVE, WARNING, "taken as it is", "x-delivery-limit 20"),
    ("x-max-length", differs("x-max-length", 70), ACTIVE, PROBLEM, "x-max-length is 70; the service declares not set"),
    ("x-max-length", differs("x-max-length", 70), PASSIVE, OK, "x-max-length is 70", "taken as it is"),
    ("durable", {"differences": (Difference("durable", True, False),)}, ACTIVE, PROBLEM, "the service declares true",
     "when the broker restarts"),
    ("x-queue-type", differs("x-queue-type", None), ACTIVE, PROBLEM, "not set", "quorum", "when a node is lost"),
    ("x-unheard-of", differs("x-unheard-of", "a"), PASSIVE, WARNING, "otherwise than the documentation says"),
    ("rights", REFUSED, ACTIVE, PROBLEM, "user 'ann' needs the right", "AMQP_DECLARE=passive"),
    ("rights", {**REFUSED, "reading": "ACCESS_REFUSED - r"}, PASSIVE, PROBLEM, "ACCESS_REFUSED - r", "for read"),
    ("delivery limit", {}, ACTIVE, OK, "20, then the broker makes a dead letter of it"),
    ("delivery limit", REFUSED, PASSIVE, UNSEEN, "x-delivery-limit"),
    ("delivery limit", {"arguments": without("x-delivery-limit")}, PASSIVE, WARNING, "none", "x-delivery-limit 20"),
    ("delivery limit", {"arguments": without("x-queue-type")}, PASSIVE, WARNING, "none"),
    ("bound", {}, ACTIVE, UNSEEN, "AMQP does not show policies", "rabbitmqctl set_policy", "--management", "disk"),
    ("bound", {"arguments": {**ARGUMENTS, "x-max-length-bytes": 9}}, PASSIVE, OK, "x-max-length-bytes 9"),
    ("consumers", {"consumers": 0, "messages": 3}, ACTIVE, WARNING, "none; 3 messages wait", "start the service"),
    ("consumers", {"consumers": 2, "messages": 3}, ACTIVE, WARNING, "2, and 3 messages waited", "raise CONCURRENCY"),
    ("consumers", {"consumers": 2}, ACTIVE, OK, "2, and nothing waits"),
]  # fmt: skip


def test_each_fact_of_a_request_queue_has_its_finding() -> None:
    def is_found(subject: str, changed: dict[str, Any], amqp: Amqp, level: Level, *words: str) -> None:
        found = by_subject(judge_queues(broker(queues=(queue(**changed),)), amqp, {}))
        expect(found[subject if subject == NAME else f"{NAME}: {subject}"], level, *words)

    check_all(QUEUES, is_found)


def test_every_argument_that_differs_is_named() -> None:
    differences = (Difference("x-overflow", "reject-publish", None), Difference("x-message-ttl", None, 60))
    found = by_subject(judge_queues(broker(queues=(queue(differences=differences),)), ACTIVE, {}))
    assert {f"{NAME}: x-overflow", f"{NAME}: x-message-ttl"} <= found.keys()


def test_brokers_from_4_0_on_have_a_delivery_limit_of_their_own() -> None:
    unlimited = queue(arguments=without("x-delivery-limit"))
    for version, level in (("4.0.0", OK), ("3.13.7", WARNING), ("odd", WARNING)):
        found = by_subject(judge_queues(broker(version=version, queues=(unlimited,)), PASSIVE, {}))
        expect(found[f"{NAME}: delivery limit"], level, "20")


def test_of_a_queue_that_cannot_be_used_nothing_else_is_said() -> None:
    for changed in ({"there": False}, {"there": None}, {"locked": True}):
        assert list(by_subject(judge_queues(broker(queues=(queue(**changed),)), ACTIVE, {}))) == [NAME]


POLICIES: list[tuple[Any, ...]] = [
    (QueuePolicy(), WARNING, "none; no policy of a user is in force", "rabbitmqctl set_policy NAME '^zeebe.commands$'"),
    (QueuePolicy("other", {"expires": 5}), WARNING, "none; the policy 'other' is in force"),
    (QueuePolicy("b", {"max-length-bytes": 9}), OK, "max-length-bytes 9; the policy 'b' is in force"),
    (QueuePolicy("b", {"max-length": 9}, messages=8), OK, "max-length 9"),
    (QueuePolicy("b", {"max-length": 9}, messages=9), PROBLEM, "9 messages: it is full", "raise the bound"),
]


def test_policies_bound_a_queue_too() -> None:
    def is_found(policy: QueuePolicy, level: Level, *words: str) -> None:
        expect(by_subject(judge_queues(broker(), ACTIVE, {NAME: policy}))[f"{NAME}: bound"], level, *words)

    check_all(POLICIES, is_found)


EXCHANGE, DEAD = "exchange 'zeebe.dead'", "queue 'zeebe.dead'"
LETTERS: list[tuple[Any, ...]] = [
    (EXCHANGE, {"exchange": ExchangeFacts(there=False)}, ACTIVE, TOLD, WARNING, "start the service"),
    (EXCHANGE, {"exchange": ExchangeFacts(there=False)}, PASSIVE, TOLD, PROBLEM, "declare a durable fanout exchange"),
    (EXCHANGE, {"exchange": ExchangeFacts(declaring="no")}, ACTIVE, TOLD, PROBLEM, "no", "AMQP_DECLARE=passive"),
    (EXCHANGE, {"exchange": ExchangeFacts(declaring="no")}, PASSIVE, TOLD, OK, "we may write to it"),
    (EXCHANGE, {"exchange": ExchangeFacts(writing="no")}, ACTIVE, TOLD, PROBLEM, "no", "for write", "nowhere to go"),
    (EXCHANGE, {"alarm": True}, ACTIVE, TOLD, OK, "it is there"),
    (DEAD, {"dead": queue(wire.DEAD_LETTER, there=False)}, ACTIVE, TOLD, WARNING, "the service declares it"),
    (DEAD, {"dead": queue(wire.DEAD_LETTER, there=False)}, PASSIVE, TOLD, PROBLEM, "a durable quorum queue"),
    (DEAD, {"dead": queue(wire.DEAD_LETTER, there=None)}, ACTIVE, TOLD, UNSEEN, "not allowed to look"),
    (DEAD, {"dead": queue(wire.DEAD_LETTER, locked=True)}, ACTIVE, TOLD, PROBLEM, "exclusively"),
    (wire.DEAD_LETTER, {"dead": queue(wire.DEAD_LETTER, there=None, failing="late")}, ACTIVE, TOLD, PROBLEM, "late"),
    ("binding", {}, ACTIVE, None, UNSEEN, "rabbitmqctl list_bindings", "--management"),
    ("binding", {}, ACTIVE, ManagementFacts({}, bound=None), UNSEEN, "rabbitmqctl list_bindings"),
    ("binding", {}, ACTIVE, ManagementFacts({}, bound=False), PROBLEM, "is not bound",
     "rabbitmqadmin declare binding source=zeebe.dead destination=zeebe.dead", "drops them"),
    ("binding", {}, ACTIVE, TOLD, OK, "is bound"),
    ("zeebe.dead: bound", {}, ACTIVE, ManagementFacts({wire.DEAD_LETTER: QueuePolicy()}, bound=True), WARNING, "none;"),
    ("letters", {"dead": queue(wire.DEAD_LETTER, messages=7)}, Amqp(dead_letter_bound=10), TOLD, OK, "70 %"),
    ("letters", {"dead": queue(wire.DEAD_LETTER, messages=8)}, Amqp(dead_letter_bound=10), TOLD, WARNING, "80 %",
     "python -m consumer dead list"),
    ("letters", {"dead": queue(wire.DEAD_LETTER, messages=10)}, Amqp(dead_letter_bound=10), TOLD, PROBLEM, "100 %"),
]  # fmt: skip


def test_each_fact_of_the_dead_letters_has_its_finding() -> None:
    def is_found(subject: str, changed: Any, amqp: Amqp, told: Any, level: Level, *words: str) -> None:
        expect(by_subject(judge_dead_letters(broker(**changed), amqp, told))[subject], level, *words)

    check_all(LETTERS, is_found)


def test_the_right_to_read_dead_letters_is_not_the_services() -> None:
    dead = queue(wire.DEAD_LETTER, arguments=None, declaring="no", reading="no")
    assert "zeebe.dead: rights" not in by_subject(judge_dead_letters(broker(dead=dead), PASSIVE, TOLD))
