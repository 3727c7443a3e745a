"""Reading of tables of TOML or JSON, so that one problem does not hide the next.

Problems go into the report, and a default takes the place of an invalid value. A caller that finds problems in the
report at the end discards the result.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, assert_never

from warren.config.defaults import Defaults
from warren.config.field_names import camel_case, joined, line_of
from warren.config.fields import (
    NO_REJECTIONS,
    KeyMap,
    Option,
    Rejections,
    Row,
    Settings,
    Spelling,
    SubTable,
    TableList,
    respelled,
    rows_of,
)
from warren.config.overrides import Override
from warren.config.parsers import Parser, wrong_type
from warren.errors import ConfigError, Finding

T = TypeVar("T")
S = TypeVar("S", bound=Settings)
FILE = "the file"
ABSENT = object()
"""Stands for a value that is absent: null, which is None, is present."""
TOML_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")  # in tomllib's messages


@dataclass(frozen=True, slots=True)
class Report:
    """The context of reading one configuration, and the problems found."""

    lines: Mapping[str, int] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    root: str = ""
    """The directory that is put before every path."""
    findings: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def add(self, key: str, problem: str, expected: str) -> None:
        """Add a finding."""
        self.findings.append(self.with_line(Finding(key, problem, expected)))

    def with_line(self, finding: Finding) -> Finding:
        """Return a finding with its line, where that is known."""
        return replace(finding, line=line_of(finding.key, self.lines))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order of the file; those without a line come first."""
    return tuple(sorted(findings, key=lambda finding: finding.line or 0))


def parse_toml(text: str, source: str) -> dict[str, object]:
    """Return the tables of a TOML text. Raises ConfigError with the line of the error."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        finding = Finding(FILE, "is nested too deeply", "expected tables and lists of text")
    except ValueError as error:  # tomllib's own, and int()'s for a number of thousands of digits
        position = TOML_POSITION.search(str(error))
        last = text.rstrip("\n").count("\n") + 1
        line = int(position[1] or last) if position else None
        problem = f"invalid TOML: {TOML_POSITION.sub('', str(error))}"
        finding = Finding("this line" if line else FILE, problem, "see toml.io for the syntax", line)
    raise ConfigError([finding], source=source)


class Table:
    """The values at one key. Each field is read once; `close` then reports the keys that nobody read."""

    def __init__(self, values: Mapping[str, object], key: str, report: Report) -> None:
        self.key = key
        self.report = report
        self._values = values
        self._known: dict[str, None] = {}

    def read(self, name: str, parser: Parser[T], default: T) -> T:
        """Return the value of a field, or `default` where it is absent or invalid."""
        value = self._find(name)
        return default if value is ABSENT else self._parsed(name, value, parser, lambda: default)

    def require(self, name: str, parser: Parser[T], stand_in: Callable[[], T]) -> T:
        """Return the value of a required field, or that of `stand_in` where it is absent or invalid."""
        value = self._find(name)
        if value is ABSENT:
            self.report.add(self._place(name), "is missing", f"expected {name} = …")
            return stand_in()
        return self._parsed(name, value, parser, stand_in)

    def table(self, name: str, shorthand: str = "") -> Table | None:
        """Return a table within: empty where it is absent, None where the value is not a table.

        With `shorthand` a text in place of the table is the value of that key.
        """
        key, value = self._place(name), self._find(name)
        if value is ABSENT:
            return Table({}, key, self.report)
        if shorthand and isinstance(value, str):
            return Table({shorthand: value}, key, self.report)
        return self._within(value, key)

    def tables(self, name: str) -> list[Table]:
        """Return a list of tables within, without the items that are not tables."""
        key, value = self._place(name), self._find(name)
        if value is ABSENT:
            return []
        if not isinstance(value, list):
            self._add_findings(key, wrong_type(value, "a list of tables"))
            return []
        within = (self._within(item, f"{key}[{number}]") for number, item in enumerate(value))
        return [table for table in within if table is not None]

    def names(self) -> list[str]:
        """Return the keys that are present, in the order of the text."""
        return list(self._values)

    def is_list(self, name: str) -> bool:
        """Return True if a list is at `name`."""
        return isinstance(self._values.get(name), list)

    def close(self, rejections: Rejections = NO_REJECTIONS) -> None:
        """Report every key that was not read: with its own text from `rejections`, or with the nearest known key."""
        for name in self._values:
            if name not in self._known:
                self.report.add(joined(self.key, name), *(rejections.get(name) or self._unknown(name)))

    def _unknown(self, name: str) -> tuple[str, str]:
        near = difflib.get_close_matches(name, self._known, n=1)
        problem = "unknown table" if isinstance(self._values[name], dict) else "unknown key"
        return problem, f"did you mean {near[0]}?" if near else f"expected one of {', '.join(self._known)}"

    def _find(self, name: str) -> object:
        """Return the value of a field, which is then known, or ABSENT."""
        self._known[name] = None
        override = self._override(name)
        return self._values.get(name, ABSENT) if override is None else override.value

    def _place(self, name: str) -> str:
        """Return the place of the value of a field, for findings: its key, or the origin of its override."""
        override = self._override(name)
        return joined(self.key, name) if override is None else override.origin

    def _override(self, name: str) -> Override | None:
        overrides = self.report.overrides
        return overrides.get(joined(self.key, name)) if overrides else None

    def _parsed(self, name: str, value: object, parser: Parser[T], stand_in: Callable[[], T]) -> T:
        try:
            return parser.read(value, self.report.root)
        except ConfigError as error:
            self._add_findings(self._place(name), error)
        return stand_in()

    def _add_findings(self, key: str, error: ConfigError) -> None:
        for finding in error.findings:
            self.report.add(f"{key}{finding.key}", finding.problem, finding.expected)

    def _within(self, value: object, key: str) -> Table | None:
        if isinstance(value, dict):
            return Table(value, key, self.report)
        self._add_findings(key, wrong_type(value, "a table"))
        return None


def read_settings(table: Table, settings: type[S], defaults: Defaults, spelling: Spelling = Spelling.TOML) -> S:
    """Return the settings that `table` holds, checked against each other; problems go into the report."""
    made = settings(**read_values(table, settings, defaults, spelling))
    table.close(spelled_rejections(settings.rejected, spelling))
    report = table.report
    for finding in made.findings():
        report.findings.append(report.with_line(_placed(finding, table.key, settings, spelling)))
    report.warnings.extend(_placed(finding, table.key, settings, spelling) for finding in made.warnings())
    return made


def spelled_rejections(rejections: Rejections, spelling: Spelling) -> Rejections:
    """Return rejections by the keys of a surface."""
    return rejections if spelling is Spelling.TOML else {camel_case(key): text for key, text in rejections.items()}


def _placed(finding: Finding, key: str, settings: type[Settings], spelling: Spelling) -> Finding:
    own = respelled(finding.key, settings, spelling)
    return replace(finding, key=f"{key}.{own}" if own else key)


def read_values(
    table: Table, settings: type[Any], defaults: Defaults, spelling: Spelling = Spelling.TOML
) -> dict[str, Any]:
    """Return the value of each row of `settings` by attribute, without those that `spelling` does not have."""
    return {
        names.attribute: _read_row(table, row, key, settings, defaults, spelling=spelling)
        for names, row in rows_of(settings)
        if (key := names.spelled(spelling)) is not None
    }


def _read_row(  # noqa: PLR0913, the context of a row
    table: Table, row: Row, key: str, settings: type[Any], defaults: Defaults, *, spelling: Spelling
) -> object:
    match row:
        case Option():
            if row.choose is None:
                return table.require(key, row.parser, row.stand_in)
            return table.read(key, row.parser, row.choose(defaults))
        case KeyMap():
            return _read_key_map(table, row, key, settings)
        case SubTable(nested, _, shorthand):
            within = table.table(key, shorthand) or Table({}, joined(table.key, key), Report())
            return read_settings(within, nested, defaults, spelling)
        case TableList(nested):
            return tuple(read_settings(each, nested, defaults, spelling) for each in table.tables(key))
        case _:
            assert_never(row)


def _read_key_map(table: Table, row: KeyMap, key: str, settings: type[Any]) -> dict[str, Any]:
    within = (table.table(key) or Table({}, key, table.report)) if row.under else table
    known = set() if row.under else {names.toml for names, other in rows_of(settings) if other is not row}
    names = [name for name in within.names() if name not in known] if row.names is None else row.names
    found = {name: within.read(name, row.parser, None) for name in names}
    if row.under:
        within.close()
    return {name: value for name, value in found.items() if value}
