"""What a test expects to be asked, and what is answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from zeebe_amqp import envelope
from zeebe_amqp.commands import Command
from zeebe_amqp.schema.formatting import truncate
from zeebe_amqp.testing.call import readable
from zeebe_amqp.testing.steps import Reaction

__all__ = ["Asked", "Expectations", "UnexpectedCommand", "Where", "matcher", "shown"]

Asked: TypeAlias = type[Command[Any]] | Command[Any]
"""Commands that a test means: all of a class, or those that are alike to the last field."""
Where: TypeAlias = Callable[[Any], bool] | None
"""Which of them, when not all."""
SHOWN: Final = 500
"""How many characters of a command a message repeats."""


class UnexpectedCommand(AssertionError):
    """The test did not expect this command."""


def matcher(asked: Asked, where: Where = None) -> Callable[[Command], bool]:
    """Whether a command is one of those that are meant."""
    if isinstance(asked, type):
        return lambda command: isinstance(command, asked) and (where is None or where(readable(command)))
    wanted = _normal(asked)
    return lambda command: envelope.encode(command) == wanted and (where is None or where(readable(command)))


def _normal(command: Command) -> bytes:
    """The envelope as the service writes it: a duration can be said in several ways."""
    return envelope.encode(envelope.decode(envelope.encode(command)).command)


@dataclass
class _Expectation:
    """Commands that are meant, and what they get."""

    shown: str
    matches: Callable[[Command], bool]
    steps: deque[Reaction] = field(default_factory=deque)


class Expectations:
    """All that a test said: scripts, which are used up, and defaults, which are not."""

    def __init__(self) -> None:
        self._scripts: list[_Expectation] = []
        self._defaults: list[_Expectation] = []

    def script(self, asked: Asked, steps: tuple[Reaction, ...], where: Where) -> None:
        """The next commands that are meant get these steps, one each."""
        self._scripts.append(_Expectation(shown(asked), matcher(asked, where), deque(steps)))

    def always(self, asked: Asked, step: Reaction, where: Where) -> None:
        """All commands that are meant get this step; what is said later goes first."""
        self._defaults.insert(0, _Expectation(shown(asked), matcher(asked, where), deque([step])))

    def scripted(self, command: Command) -> bool:
        """Whether a script has a step left for the command."""
        return next(self._of(self._scripts, command), None) is not None

    def find(self, command: Command) -> bool:
        """Whether anything was said about the command."""
        return self.scripted(command) or next(self._of(self._defaults, command), None) is not None

    def take(self, command: Command) -> Reaction | None:
        """What the command gets; None when nothing was said."""
        for expectation in self._of(self._scripts, command):
            return expectation.steps.popleft()
        for expectation in self._of(self._defaults, command):
            return expectation.steps[0]
        return None

    @staticmethod
    def _of(expectations: list[_Expectation], command: Command) -> Iterator[_Expectation]:
        return (each for each in expectations if each.steps and each.matches(command))

    def unused(self) -> list[str]:
        """The scripts that were not used up."""
        return [f"{each.shown}: {len(each.steps)} more" for each in self._scripts if each.steps]

    def refusal(self, command: Command) -> UnexpectedCommand:
        """Says that nothing was said about the command, and what was."""
        known = [each.shown for each in (*self._scripts, *self._defaults)]
        return UnexpectedCommand(
            f"{command.operation} was not expected: {shown(readable(command))}; "
            f"expected {', '.join(dict.fromkeys(known)) or 'nothing: say what with script or always'}"
        )


def shown(asked: Asked) -> str:
    """The commands that are meant, for people."""
    return f"any {asked.operation}" if isinstance(asked, type) else truncate(repr(asked), SHOWN)
