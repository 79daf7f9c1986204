"""What all commands have in common: reading, checking and writing themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, get_args

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.commands import rules
from zeebe_amqp.commands.target import DEFAULT_TENANT, Target
from zeebe_amqp.errors import CommandError, invalid
from zeebe_amqp.schema import fields
from zeebe_amqp.schema import json_documents as documents
from zeebe_amqp.schema.formatting import json_error
from zeebe_amqp.schema.json_members import latest
from zeebe_amqp.schema.validation_errors import explain, type_info

if TYPE_CHECKING:
    # A default spares everybody who handles any command the parameter.
    from typing_extensions import TypeVar

    ResultT = TypeVar("ResultT", default=Any)
else:
    from typing import TypeVar

    ResultT = TypeVar("ResultT")

__all__ = ["DATA", "Command", "Part", "Result", "check_wait", "missing"]


DATA: Final = "data"
"""Where a command stands in the envelope; paths of fields start with it."""
MAX_WAIT: Final = 15 * 60 * 1000
"""The longest requestTimeout, milliseconds: the broker takes back what is unacknowledged for 30 minutes."""


class Command(
    msgspec.Struct,
    Generic[ResultT],
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    rename="camel",
    omit_defaults=True,
):
    """A request to the engine: the `data` of an envelope, typed and checked; its parameter is the type of its result.

    A command class holds all facts about its operation. The service, the service in memory, the documents and the tests
    read them from here.
    """

    operation: ClassVar[str]
    """Its name on the wire."""
    result: ClassVar[Any] = None
    """The type of the reply's data; None: no data."""
    fuller_result: ClassVar[Any] = None
    """The type that the data have in some replies, with more fields."""
    one_of: ClassVar[tuple[str, ...]] = ()
    """The fields of which exactly one must be given."""
    idempotent: ClassVar[bool] = False
    """Whether a second run is harmless: it changes nothing, or reports that the work is done."""
    read_only: ClassVar[bool] = False
    """Whether it changes nothing, so that the ledger need not remember it."""
    exempt_from_limit: ClassVar[bool] = False
    """Whether it reduces the engine's load, so that backpressure never delays it."""
    when_late: ClassVar[str] = ""
    """What to tell the caller when the answer is late."""
    carries_trace: ClassVar[bool] = False
    """Whether its variables begin something that may carry a trace context on; see `zeebe_amqp.trace_variable`."""
    in_metadata: ClassVar[frozenset[str]] = frozenset()
    """Fields that the envelope's metadata may hold, by their names on the wire. Errors name them there."""
    named_by: ClassVar[Mapping[str, str]] = {}
    """The fields with the names of what it acts on, by the kinds of `Target`."""
    places: ClassVar[Mapping[str, str]] = {}
    """Where else than there, in its keys and in `tenantId` it says what it acts on: paths, by fields of `Target`."""
    wait_margin: ClassVar[float] = 0.0
    """Seconds that an answer may take after the engine's wait has ended."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # The parameter is for type checkers; said once, it serves at run time, too.
        if parameters := get_args(cls.__dict__.get("__orig_bases__", (None,))[0]):
            [result] = parameters
            cls.result = None if result is type(None) else result

    @classmethod
    def results(cls) -> tuple[Any, ...]:
        """The types of the data that replies may have, the one with the most fields first; none where it is null."""
        return tuple(each for each in (cls.fuller_result, cls.result) if each is not None)

    @classmethod
    def from_wire(
        cls, data: bytes, metadata: Mapping[str, str], *, bare: bool = False, max_depth: int = wire.MAX_DEPTH
    ) -> Self:
        """Read and check the command from `data`, JSON as sent.

        `metadata` holds the envelope's texts; `bare` says that `data` is the message's whole body.

        Raises:
            CommandError: INVALID_ARGUMENT, naming the field.
        """
        command: Self = _decode(cls, data, max_depth)
        rules.check(command, DATA, max_depth)
        command.verify()
        return command

    def to_wire(self) -> tuple[bytes, dict[str, str]]:
        """The command as the `data` (JSON) and `metadata` of an envelope.

        Raises:
            CommandError: INVALID_ARGUMENT, for a value that JSON cannot carry unchanged.
        """
        return documents.encode(self, DATA), {}

    def verify(self) -> None:
        """Check the rules between fields.

        Raises:
            CommandError: INVALID_ARGUMENT, naming the field.
        """

    def result_type(self) -> Any:
        """The type of the data in the reply to this command; None when there is none."""
        return self.result

    def wait(self) -> int:
        """How long the request may wait, in milliseconds. Above 0 it goes to the queue for long-running requests."""
        return 0

    def files(self) -> Iterable[tuple[str, bytes]]:
        """The files that it deploys, each a name and the bytes; most commands have none."""
        return ()

    def named(self) -> Target:
        """What it acts on, without its keys and what is inside its files; see `zeebe_amqp.commands.keys.target`."""
        names = {kind: (name,) for kind, field in self.named_by.items() if (name := getattr(self, field)) is not None}
        tenant = getattr(self, "tenant_id", None)
        return Target(**names, tenants=() if tenant is None else (tenant or DEFAULT_TENANT,))

    def is_idempotent(self) -> bool:
        """Whether this command, with its values, may run twice; see `idempotent`."""
        return self.idempotent

    def attempt_timeout(self) -> float | None:
        """Seconds that one attempt of a long-running request may take; None for others."""
        wait = self.wait()
        return wait / 1000 + self.wait_margin if wait else None


class Part(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """An object inside a command's data; `one_of` names the fields of which exactly one must be given."""

    one_of: ClassVar[tuple[str, ...]] = ()


class Result(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """Data of a reply. Readers ignore fields that this version does not know."""


def missing(field: str, expected: str) -> CommandError:
    """Make the error for a required field that is absent or empty."""
    return invalid(f"{DATA}.{field}", f"missing; expected {expected}")


def check_wait(request_timeout: fields.Duration | None) -> None:
    """Refuse a requestTimeout that is above the longest wait or is not a duration."""
    try:
        wait = fields.milliseconds(request_timeout)
    except ValueError as problem:
        raise invalid(f"{DATA}.requestTimeout", str(problem)) from None
    if wait > MAX_WAIT:
        raise invalid(f"{DATA}.requestTimeout", f"expected at most 15 minutes, found {wait} ms")


@cache
def _decoder(kind: type[Command]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=fields.decode)


def _decode(kind: type[Command], data: bytes, max_depth: int) -> Any:
    try:
        return _typed(kind, data)
    except RecursionError:
        raise documents.too_deep(DATA, max_depth) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise invalid(DATA, json_error(problem, data)) from None


def _typed(kind: type[Command], data: bytes) -> Any:
    decoder = _decoder(kind)
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        data = latest(data.strip(), type_info(kind))
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as problem:
        raise explain(problem, kind, data, DATA) from None
