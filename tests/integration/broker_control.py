"""What tests change at a broker: virtual hosts, users, connections, alarms; without `rabbitmqctl`, which takes long."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scripts.rabbitmq import RabbitMQ

SECRET = "the-right-secret"
CALLER = (r"^test\.replies\..*$", r"^(test\.replies\..*|amq\.default)$", r"^test\.replies\..*$")
"""The rights that a caller needs: to a reply queue of its own, and to the default exchange."""
LOW, USUAL = "0.00001", "0.4"
"""Memory from which on the broker blocks publishers, as a part of all."""


def evaluate(node: RabbitMQ, expression: str) -> str:
    """What an Erlang expression gives in the node."""
    return node.evaluate(expression)


def version(node: RabbitMQ) -> str:
    """The whole version of RabbitMQ that the node runs: "3.10.8"."""
    return evaluate(node, "rabbit_misc:version()").strip('"')


def close_connections(node: RabbitMQ) -> None:
    """End everybody's connections."""
    evaluate(node, '[catch rabbit_networking:close_connection(P, "test") || P <- rabbit_networking:connections()]')


def write_declarations(node: RabbitMQ) -> None:
    """Let the node write down what was declared a moment ago, to be killed afterwards.

    It does so every two seconds by itself. A classic queue that is younger when its node is killed is gone; a quorum
    queue is there, but never elects a leader. No client can help that.
    """
    evaluate(node, "[dets:sync(Table) || Table <- dets:all()], catch mnesia:sync_log()")


@asynccontextmanager
async def memory_alarm(node: RabbitMQ) -> AsyncIterator[None]:
    """For the block, the broker takes nothing from publishers."""
    evaluate(node, f"vm_memory_monitor:set_vm_memory_high_watermark({LOW})")
    try:
        yield
    finally:
        evaluate(node, f"vm_memory_monitor:set_vm_memory_high_watermark({USUAL})")


@asynccontextmanager
async def largest_message(node: RabbitMQ, size: int) -> AsyncIterator[None]:
    """For the block, the broker takes no body of more bytes, on channels that are opened meanwhile."""
    before = await asyncio.to_thread(evaluate, node, "element(2, application:get_env(rabbit, max_message_size))")
    try:
        await asyncio.to_thread(_limit_messages, node, str(size))
        yield
    finally:
        await asyncio.to_thread(_limit_messages, node, before)


def _limit_messages(node: RabbitMQ, size: str) -> None:
    # Brokers from 4.0 on read it from a term.
    kept = f"catch persistent_term:put(max_message_size, {size})"
    evaluate(node, f"application:set_env(rabbit, max_message_size, {size}), {kept}")


def authorize(node: RabbitMQ, what: str, *texts: str) -> None:
    """What `rabbitmqctl` does for users and permissions, such as `set_permissions`, with the user's name first."""
    escaped = (text.replace("\\", "\\\\") for text in (*texts, "test"))
    told = ", ".join(f'<<"{text}">>' for text in escaped)
    evaluate(node, f"rabbit_auth_backend_internal:{what}({told})")


class VirtualHost:
    """A part of a broker that one test file has for itself, with queues, exchanges and policies of its own."""

    def __init__(self, node: RabbitMQ) -> None:
        self.node = node
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.url = f"{node.url}/{self.name}"
        evaluate(node, f'rabbit_vhost:add(<<"{self.name}">>, <<"test">>)')
        authorize(node, "set_permissions", "guest", self.name, ".*", ".*", ".*")

    def cut_off_services(self) -> None:
        """End the connections of the services that use it, and nobody else's."""
        self.cut_off("zeebe-amqp ")

    def cut_off(self, named: str) -> None:
        """End the connections whose names begin so."""
        evaluate(
            self.node,
            "IsMeant = fun(P) ->"
            " [{_, Host}, {_, Told}] = rabbit_networking:connection_info(P, [vhost, client_properties]),"
            f' {{_, _, Name}} = lists:keyfind(<<"connection_name">>, 1, Told), Host =:= <<"{self.name}">>'
            f' andalso binary:match(Name, <<"{named}">>) =:= {{0, {len(named)}}} end,'
            ' [catch rabbit_networking:close_connection(P, "test")'
            " || P <- rabbit_networking:connections(), true =:= (catch IsMeant(P))]",
        )

    def set_policy(self, name: str, pattern: str, definition: str) -> None:
        """Give queues a policy; `definition` is JSON."""
        told = definition.replace('"', '\\"')
        texts = ", ".join(
            f'<<"{text}">>' for text in (self.name, name, pattern.replace("\\", "\\\\"), told, "0", "queues", "test")
        )
        evaluate(self.node, f"rabbit_policy:parse_set({texts})")

    def policies(self) -> dict[str, str]:
        """The name of each queue's policy by the name of the queue."""
        told = evaluate(
            self.node,
            'string:join([binary_to_list(element(4, amqqueue:get_name(Queue))) ++ "=" ++ binary_to_list(Policy)'
            f' || Queue <- rabbit_amqqueue:list(<<"{self.name}">>), Policy <- [rabbit_policy:name(Queue)],'
            ' is_binary(Policy)], ",")',
        )
        return dict(each.split("=") for each in told.strip('"').split(",") if each)

    def delete(self) -> None:
        """Delete it, with everything in it."""
        evaluate(self.node, f'rabbit_vhost:delete(<<"{self.name}">>, <<"test">>)')


class User:
    """A user of a broker, who has no rights at first."""

    def __init__(self, node: RabbitMQ) -> None:
        self.node = node
        self.name = f"ann-{uuid.uuid4().hex[:8]}"
        self.host = f"127.0.0.1:{node.port}"
        self._do("add_user", SECRET)

    def url(self, password: str = SECRET) -> str:
        """The address with a password."""
        return f"amqp://{self.name}:{password}@{self.host}"

    async def allow(self, *rights: str, vhost: str = "/") -> None:
        """Give these rights to configure, write and read, and no others; with none, not even to connect."""
        if rights:
            await asyncio.to_thread(self._do, "set_permissions", vhost, *rights)
        else:
            await asyncio.to_thread(self._do, "clear_permissions", vhost)

    async def change_password(self, password: str) -> None:
        """Give the user another password."""
        await asyncio.to_thread(self._do, "change_password", password)

    def tag(self, *tags: str) -> None:
        """Give the user these tags, and no others."""
        names = f"[{', '.join(tags)}]"
        evaluate(self.node, f'rabbit_auth_backend_internal:set_tags(<<"{self.name}">>, {names}, <<"test">>)')

    async def cut(self) -> None:
        """End the user's connections: open channels go by the rights they saw."""
        expression = f'rabbit_networking:close_all_user_connections(<<"{self.name}">>, <<"test">>)'
        await asyncio.to_thread(evaluate, self.node, expression)

    def delete(self) -> None:
        """Forget the user."""
        self._do("delete_user")

    def _do(self, what: str, *arguments: str) -> None:
        authorize(self.node, what, self.name, *arguments)
