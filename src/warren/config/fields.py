"""Rows of configuration: one for each key, in the dataclass that holds the value.

    @dataclass(frozen=True, slots=True)
    class HttpSettings(Settings):
        port: int = option(number_in(range(1, 65_536)), "Port of the local HTTP server.", default=9090)

A row names the key, its parser, its default and its documentation. In TOML the key is the name of the attribute unless
the row gives another (`key=`). In JSON it is that name in camelCase unless the row gives another (`json=`).
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, TypeVar, overload

from warren.config.defaults import WARREN, Defaults
from warren.config.field_names import camel_case, joined
from warren.config.parsers import Parser
from warren.errors import Finding

T = TypeVar("T")
Rejections = Mapping[str, tuple[str, str]]
"""The problem with the presence of a key, and what is expected instead, by key."""
NO_REJECTIONS: Rejections = {}
ROW = "row"
NO_JSON = "-"
"""As `json=`: the key does not exist in JSON."""


class Spelling(enum.Enum):
    """How a surface spells keys (X-18)."""

    TOML = "toml"
    JSON = "json"


class Settings:
    """The base of settings that check their values against each other once all of them are read."""

    __slots__ = ()
    rejected: ClassVar[Rejections] = NO_REJECTIONS
    """Keys that are rejected with a text of their own, in snake_case."""

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong between values. The key of a finding is an attribute, or empty for the table."""
        yield from ()

    def warnings(self) -> Iterator[Finding]:
        """Yield what an operator should know; the agent starts with it."""
        yield from ()


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one row: the attribute, and the key in TOML and in JSON."""

    attribute: str
    toml: str
    json: str | None

    def spelled(self, spelling: Spelling) -> str | None:
        """Return the key as `spelling` has it, or None where it has none."""
        return self.toml if spelling is Spelling.TOML else self.json


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that overrides a value of the file."""

    name: str
    read: Callable[[str], str | None]
    """Returns the value as the file would have it; None if the text says nothing about it."""


@dataclass(frozen=True, slots=True)
class Option:
    """A row of one value."""

    parser: Parser[Any]
    doc: str
    choose: Callable[[Defaults], Any] | None
    """Returns the default for a program name; None for a required key."""
    stand_in: Callable[[], Any] = lambda: None
    """Makes the value that stands for a missing required key, so that the rest can be checked."""
    environment: tuple[Variable, ...] = ()
    """The variables that override it; the first that says something counts."""


@dataclass(frozen=True, slots=True)
class KeyMap:
    """A row of several keys with one parser, collected into a mapping."""

    parser: Parser[Any]
    doc: str
    names: Mapping[str, str] | None
    """The documentation of each allowed key; None allows every key that no other row of the table has."""
    under: str = ""
    """The table within the table that holds the keys; empty for the table itself."""


@dataclass(frozen=True, slots=True)
class SubTable:
    """A row of a table within the table."""

    settings: type[Any]
    doc: str
    shorthand: str = ""
    """The key that a text in place of the table sets; empty where there must be a table."""


@dataclass(frozen=True, slots=True)
class TableList:
    """A row of a list of tables within the table: `[[table.key]]`."""

    settings: type[Any]
    doc: str


Row = Option | KeyMap | SubTable | TableList


@overload
def option(
    parser: Parser[T], doc: str, *, default: T, key: str = "", json: str = "", environment: tuple[Variable, ...] = ()
) -> T: ...
@overload
def option(parser: Parser[T], doc: str, *, default: None, key: str = "", json: str = "") -> T | None: ...
def option(  # noqa: PLR0913, keywords of a row
    parser: Parser[Any],
    doc: str,
    *,
    default: Any,
    key: str = "",
    json: str = "",
    environment: tuple[Variable, ...] = (),
) -> Any:
    """Declare a key with a default; None as the default means that the key is unset."""
    return _field(Option(parser, doc, lambda _: default, environment=environment), default, key, json)


def program_option(parser: Parser[T], doc: str, choose: Callable[[Defaults], T], *, key: str = "") -> T:
    """Declare a key whose default depends on the program name. A settings object made by hand has that of `warren`."""
    return _field(Option(parser, doc, choose), choose(WARREN), key, "")  # type: ignore[no-any-return]


def required(parser: Parser[T], doc: str, stand_in: Callable[[], T]) -> Mapping[str, Any]:
    """Declare a required key, as the metadata of `dataclasses.field`: a type checker then knows that it has no default.

    `stand_in` makes the value that takes its place where it is missing, so that the rest can be checked.
    """
    return {ROW: (Option(parser, doc, None, stand_in), "", "")}


def key_map(parser: Parser[T], doc: str, *, names: Mapping[str, str] | None, under: str = "") -> Mapping[str, T]:
    """Declare several keys that are collected into a mapping."""
    row = KeyMap(parser, doc, names, under)
    return dataclasses.field(default_factory=dict, metadata={ROW: (row, under, "")})


def subtable(settings: type[T], doc: str, *, shorthand: str = "") -> T:
    """Declare a table within the table, or at the top of the file."""
    return _field(SubTable(settings, doc, shorthand), settings(), "", "")  # type: ignore[no-any-return]


def table_list(settings: type[T], doc: str) -> tuple[T, ...]:
    """Declare a list of tables within the table; without one it is empty."""
    return _field(TableList(settings, doc), (), "", "")  # type: ignore[no-any-return]


def _field(row: Row, default: object, key: str, json: str) -> Any:
    return dataclasses.field(default=default, metadata={ROW: (row, key, json)})


def rows_of(settings: type[Any]) -> tuple[tuple[Names, Row], ...]:
    """Return the rows of a settings class in the order of its attributes."""
    hashable: Any = settings
    return _rows_of(hashable)


@cache
def _rows_of(settings: type[Any]) -> tuple[tuple[Names, Row], ...]:
    rows = []
    for attribute in dataclasses.fields(settings):
        if ROW in attribute.metadata:
            row, key, json = attribute.metadata[ROW]
            spelled = None if json == NO_JSON else json or camel_case(attribute.name)
            rows.append((Names(attribute.name, key or attribute.name, spelled), row))
    return tuple(rows)


def options_of(settings: type[Any], key: str = "") -> Iterator[tuple[str, Option]]:
    """Yield each row of one value in a settings class and in the tables within it, with its key in the file."""
    for names, row in rows_of(settings):
        if isinstance(row, Option):
            yield joined(key, names.toml), row
        elif isinstance(row, SubTable | TableList):
            yield from options_of(row.settings, joined(key, names.toml))


def respelled(key: str, settings: type[Any], spelling: Spelling, *nested: type[Any]) -> str:
    """Return a key made of attributes, `peers[0].public_key`, in the spelling of a surface.

    `nested` are the classes of tables within that no row names.
    """
    spelled = {
        names.attribute: names.spelled(spelling) or names.attribute
        for kind in (*nested, settings)
        for names, _row in rows_of(kind)
    }
    return re.sub(r"[a-z_]+", lambda name: spelled.get(name[0], name[0]), key)
