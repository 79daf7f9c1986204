"""The help of both programs: what fits on a screen first, everything when asked for."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.testing import CliRunner

from consumer.cli import main
from tests.cases import check_all
from zeebe_amqp.cli.brief import Shared
from zeebe_amqp.cli.program import program

PROGRAMS = {"zeebe-amqp": program, "python -m consumer": main}
MAX_PHRASE = 60
"""Characters of a command's line in the list of commands."""
OPEN_ENDS = frozenset({"a", "an", "and", "as", "by", "for", "from", "in", "of", "or", "the", "to", "with"})
"""Words that no phrase ends with."""


def children(group: click.Group) -> dict[str, click.Command]:
    """The commands of a group by their names, also of one that makes them when they are asked for."""
    context = click.Context(group)
    return {name: found for name in group.list_commands(context) if (found := group.get_command(context, name))}


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command and all that are below it, by how they are called."""
    yield name, command
    if isinstance(command, click.Group):
        for each, below in children(command).items():
            yield from commands(f"{name} {each}", below)


EVERY = dict(each for name, command in PROGRAMS.items() for each in commands(name, command))


def printed(name: str, option: str, *, width: int | None = None) -> str:
    [start] = [each for each in PROGRAMS if name.startswith(each)]
    words = [*name.removeprefix(start).split(), option]
    ended = CliRunner().invoke(PROGRAMS[start], words, prog_name=start, terminal_width=width)
    assert ended.exit_code == 0, (name, option, ended.output)
    return ended.stdout


def options(command: click.Command, *, shared: bool) -> list[str]:
    given = [each for each in command.params if isinstance(each, click.Option)]
    return [each.opts[-1] for each in given if isinstance(each, Shared) is shared]


def test_the_usage_line_has_an_argument_in_brackets_when_it_may_be_left_out() -> None:
    def is_written(name: str, command: click.Command) -> None:
        usage = printed(name, "--help", width=200).partition("\n\n")[0].removeprefix(f"Usage: {name}")
        for each in command.params:
            if isinstance(each, click.Argument):
                [piece] = each.get_usage_pieces(click.Context(command))
                word = piece.removesuffix("...").strip("[]")
                assert word in usage, usage
                assert (f"[{word}]" in usage) is not each.required, usage

    check_all(EVERY.items(), is_written)


def test_the_list_of_commands_says_of_each_a_whole_phrase_of_at_most_sixty_characters() -> None:
    """And on a narrow terminal it stands on one line."""

    def is_whole(group: str, name: str, command: click.Command) -> None:
        phrase = command.get_short_help_str()
        assert 0 < len(phrase) <= MAX_PHRASE
        assert f"{name} {phrase}" in " ".join(printed(group, "--help").split())
        assert [name, *phrase.split()] in [line.split() for line in printed(group, "--help", width=80).splitlines()]
        assert not phrase.endswith((".", ",", "…"))
        assert phrase.count("(") == phrase.count(")"), "it is cut off"
        assert phrase.split()[-1].strip("`'\"") not in OPEN_ENDS, "it has no end"

    groups = [(name, command) for name, command in EVERY.items() if isinstance(command, click.Group)]
    check_all([(name, *each) for name, group in groups for each in children(group).items()], is_whole)


def test_the_short_help_shows_a_commands_own_options_and_where_the_rest_is_and_the_whole_one_all() -> None:
    """`-h` is short for `--help` everywhere, also alone, as the pages of the documentation are made."""

    def shows_all(name: str, command: click.Command) -> None:
        short, whole = printed(name, "--help"), printed(name, "--help-all")
        assert printed(name, "-h") == short
        click.Context(command).get_help()
        own, shared = options(command, shared=False), options(command, shared=True)
        assert [each for each in own if f"{each} " not in short and f"{each}\n" not in short] == []
        assert [each for each in own + shared if f"{each} " not in whole and f"{each}\n" not in whole] == []
        assert short.count("--help-all") == bool(shared)
        assert "Common options" not in short
        assert ("Common options:" in whole) == bool(shared)

    check_all(EVERY.items(), shows_all)


def test_no_help_of_a_command_or_an_option_is_cut_off() -> None:
    def is_whole(name: str, command: click.Command) -> None:
        # Examples are never wrapped, so that they can be copied.
        examples = [part for each in getattr(command, "examples", ()) for part in (each.text, f"# {each.title}")]
        text = printed(name, "--help-all", width=80)
        assert "…" not in text
        assert [line for line in text.splitlines() if len(line) > 80 and line.strip() not in examples] == []
        for words in (getattr(each, "help", None) or "" for each in command.params):
            assert words.count("(") == words.count(")"), words

    check_all(EVERY.items(), is_whole)


def test_settings_and_connections_are_what_the_short_help_leaves_out() -> None:
    assert {"--url", "--queues", "--output", "--timeout"} <= set(options(EVERY["zeebe-amqp fail-job"], shared=True))
    assert {"--amqp-url", "--zeebe-address"} <= set(options(EVERY["python -m consumer"], shared=True))
    assert options(EVERY["python -m consumer run"], shared=False) == ["--reset-ledger", "--no-create"]
