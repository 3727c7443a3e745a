"""The canonical TOML of settings, and their plain values: reading what is written gives the same settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from warren.config.field_names import joined
from warren.config.fields import KeyMap, Option, Row, Spelling, SubTable, TableList, rows_of
from warren.config.parsers import Plain

NO_NOTES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Section:
    """A header and the keys below it."""

    header: str
    key: str
    """The key of the table as in a finding: `network.home.peers[0]`."""
    values: Mapping[str, Plain]
    """The values by key; the key of a table within has dots: `sha256.panel_create`."""


def nested_sections(settings: object, key: str = "", root: str = "", *, whole: bool = True) -> Iterator[Section]:
    """Yield the sections of the tables within a table, or of the tables at the top of the file.

    Unless `whole`, a table and a key within it that have their defaults are left out.
    """
    for names, row in rows_of(type(settings)):
        within, value = joined(key, names.toml), getattr(settings, names.attribute)
        match row:
            case SubTable(nested):
                usual = None if whole else nested()
                if value != usual:
                    yield Section(f"[{within}]", within, plain_values(value, root=root, unless=usual))
                    yield from nested_sections(value, within, root, whole=whole)
            case TableList():
                for number, each in enumerate(value):
                    yield Section(f"[[{within}]]", f"{within}[{number}]", plain_values(each, root=root))
            case _:
                pass


def plain_values(
    settings: object,
    spelling: Spelling = Spelling.TOML,
    *,
    root: str = "",
    unless: object = None,
    always: Sequence[str] = (),
) -> dict[str, Plain]:
    """Return the values of settings by key, without tables and unset keys.

    With `unless`, which are settings of the same class, values equal to its own are left out, but for the attributes
    in `always`.
    """
    plain: dict[str, Plain] = {}
    for names, row in rows_of(type(settings)):
        value = getattr(settings, names.attribute)
        key = names.spelled(spelling)
        equal = unless is not None and value == getattr(unless, names.attribute)
        if key is not None and value is not None and (not equal or names.attribute in always):
            plain |= _row_values(row, key, value, root)
    return plain


def _row_values(row: Row, key: str, value: Any, root: str) -> dict[str, Plain]:
    match row:
        case Option(parser):
            return {key: parser.write(value, root)}
        case KeyMap(parser, _, _, under):
            return {joined(under, name): parser.write(entry, root) for name, entry in value.items()}
        case SubTable() | TableList():
            return {}
        case _:
            assert_never(row)


def encode_toml(sections: Sequence[Section], notes: Mapping[str, str] = NO_NOTES) -> str:
    """Return the text of `sections`; a note is a comment behind the key that it is for."""
    return "\n".join(f"{section.header}\n{''.join(_lines(section, notes))}" for section in sections)


def _lines(section: Section, notes: Mapping[str, str]) -> Iterator[str]:
    for key, value in section.values.items():
        note = notes.get(f"{section.key}.{key}")
        yield f"{key} = {encode_value(value)}{f'  # {note}' if note else ''}\n"


def encode_value(value: Plain) -> str:
    """Return a value in the notation of TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            # The escapes of JSON are escapes of TOML; DEL is the one character more that TOML wants escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return f"[{', '.join(map(encode_value, value))}]"
