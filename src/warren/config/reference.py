"""The rows of a settings class as the reference page prints them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, assert_never

from warren.config.defaults import PROGRAMS, WARREN
from warren.config.field_names import joined
from warren.config.fields import KeyMap, Option, SubTable, TableList, rows_of
from warren.config.toml_writer import encode_value

REQUIRED = "required"
UNSET = "unset"
ANY_NAME = "NAME"


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """One key of a table."""

    key: str
    """In TOML; NAME stands for any name."""
    json_key: str | None
    """In the JSON of the control socket, or None where it has no such key."""
    accepts: str
    default: str
    doc: str


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """One table of the file."""

    name: str
    doc: str
    rows: tuple[ReferenceRow, ...]
    is_list: bool = False
    """True for `[[name]]`."""


def reference_tables(settings: type[Any], name: str = "") -> Iterator[ReferenceTable]:
    """Yield the tables within a settings class, each followed by the tables within it."""
    for names, row in rows_of(settings):
        if isinstance(row, SubTable | TableList):
            key = joined(name, names.toml)
            yield ReferenceTable(key, row.doc, tuple(reference_rows(row.settings)), isinstance(row, TableList))
            yield from reference_tables(row.settings, key)


def reference_rows(settings: type[Any]) -> Iterator[ReferenceRow]:
    """Yield the keys of a table, without the tables within it."""
    for names, row in rows_of(settings):
        match row:
            case Option(parser, doc):
                yield ReferenceRow(names.toml, names.json, parser.accepts, _default(row), doc)
            case KeyMap(parser, doc, _, under) if under:
                yield ReferenceRow(f"{under}.{ANY_NAME}", None, parser.accepts, UNSET, doc)
            case KeyMap(parser, doc, None):
                yield ReferenceRow(ANY_NAME, None, parser.accepts, UNSET, doc)
            case KeyMap(parser, _, keys):
                for key, doc in (keys or {}).items():
                    yield ReferenceRow(key, None, parser.accepts, UNSET, doc)
            case SubTable() | TableList():
                pass
            case _:
                assert_never(row)


def _default(row: Option) -> str:
    """Return the default of `warren`, and those of other programs that differ."""
    if row.choose is None:
        return REQUIRED
    values = {program: row.choose(defaults) for program, defaults in PROGRAMS.items()}
    usual = values.pop(WARREN.program)
    others = "".join(f"; {program}: {_written(row, value)}" for program, value in values.items() if value != usual)
    return _written(row, usual) + others


def _written(row: Option, value: object) -> str:
    return UNSET if value is None else f"`{encode_value(row.parser.write(value))}`"
