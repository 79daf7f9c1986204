"""What a docstring says about a type, its fields and its errors, and that it may say nothing."""

from __future__ import annotations

import msgspec

from zeebe_amqp.schema import docstrings
from zeebe_amqp.schema.field_paths import members


class Inner(msgspec.Struct, rename="camel"):
    """Something inside.

    Attributes:
        first_name: what it is called: a name.
    """

    first_name: str


class Outer(Inner):
    """Something around, in one
    sentence.

    More about `first_name`, which may be None.

    Args:
        all_parts: the parts, of which there may be
            many, and `first_name` of each.
        one_part: one of them. It may be absent.

    Errors:
        NOT_FOUND: there is
            none.
    """

    all_parts: tuple[Inner, ...] = ()
    one_part: Inner | None = None
    silent: int = 0


def test_the_text_before_the_sections_is_what_a_type_is_and_its_first_line_the_summary() -> None:
    assert docstrings.about(Outer) == "Something around, in one sentence. More about `first_name`, which may be None."
    assert docstrings.words(docstrings.about(Outer)).endswith("More about `firstName`, which may be absent.")
    assert (docstrings.summary(Outer), docstrings.summary(Inner)) == ("Something around, in one", "Something inside.")


def test_a_field_has_its_meaning_from_its_own_class_or_the_one_it_is_inherited_from_or_none() -> None:
    assert dict(docstrings.meanings(Outer)) == {
        "first_name": "what it is called: a name",
        "all_parts": "the parts, of which there may be many, and `first_name` of each",
        "one_part": "one of them. It may be absent",
        "silent": "",
    }
    assert dict(docstrings.errors(Outer)) == {"NOT_FOUND": "there is none"}
    assert dict(docstrings.errors(Inner)) == {}


def test_the_members_of_a_type_are_its_fields_and_those_of_the_objects_in_them_by_path() -> None:
    paths = ["firstName", "allParts", "allParts[].firstName", "onePart", "onePart.firstName", "silent"]
    for kind in (Outer, tuple[Outer, ...]):
        assert [each.path for each in members(kind)] == paths
    assert [each.meaning for each in members(Outer)][1:3] == [
        "the parts, of which there may be many, and `firstName` of each",
        "what it is called: a name",
    ]
    assert [each.holder for each in members(Outer)] == [Outer, Outer, Inner, Outer, Inner, Outer]
    assert list(members(str)) == []


def test_a_type_without_a_docstring_says_nothing() -> None:
    bare = msgspec.defstruct("Bare", [("name", str)])
    assert (docstrings.about(bare), docstrings.summary(bare)) == ("", "")
    assert dict(docstrings.meanings(bare)) == {"name": ""}
