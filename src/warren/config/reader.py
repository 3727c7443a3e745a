"""A table of TOML or JSON, read so that one mistake does not hide the next.

What is wrong goes into the report; what cannot be read is stood in for, and whoever finds findings in the report at
the end throws the result away.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from warren.config.field_names import Words, joined, line_of, written
from warren.config.overrides import Override
from warren.config.parsers import Parse, wrong_kind
from warren.errors import ConfigError, Finding

T = TypeVar("T")
Refusals = Mapping[str, tuple[str, str]]
"""By key: what is wrong with it being there, and what would be right."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found while a configuration was read, and what it was read with."""

    lines: Mapping[str, int] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def refuse(self, key: str, problem: str, expected: str) -> None:
        """One finding more."""
        self.findings.append(self.placed(Finding(key, problem, expected)))

    def placed(self, finding: Finding) -> Finding:
        """With its line, where that can be found."""
        return replace(finding, line=line_of(finding.key, self.lines))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In the order of the file; first what has no line."""
    return tuple(sorted(findings, key=lambda finding: finding.line or 0))


class Table:
    """The values at one key. Each field is asked for once; `close` then refuses what nobody asked for."""

    def __init__(self, values: Mapping[str, object], key: str, report: Report, words: Words = str) -> None:
        self.key = key
        self.report = report
        self._values = values
        self._words = words
        self._known: list[str] = []

    def read(self, name: str, parse: Parse[T], default: T) -> T:
        """The value of a field; `default` where it is absent or wrong."""
        key, value = self._find(name)
        return default if value is None else self._parsed(key, value.value, parse, default)

    def require(self, name: str, parse: Parse[T], stand_in: T) -> T:
        """The value of a field that must be there. With a stand-in all else can still be judged."""
        key, value = self._find(name)
        if value is None:
            self.report.refuse(key, "is missing", f"expected {self._words(name)} = …")
            return stand_in
        return self._parsed(key, value.value, parse, stand_in)

    def table(self, name: str, words: Words = str) -> Table | None:
        """A table within, which may have words of its own; an empty one where it is absent, None where it is wrong."""
        key, found = self._find(name)
        return self._within({} if found is None else found.value, key, words)

    def tables(self, name: str, words: Words | None = None) -> list[Table]:
        """A list of tables within, less those that are none; without words of their own they have those of this one."""
        key, found = self._find(name)
        values: list[object] = []
        if found is not None:
            values = self._parsed(key, found.value, _a_list, values)
        within = (self._within(value, f"{key}[{number}]", words or self._words) for number, value in enumerate(values))
        return [table for table in within if table is not None]

    def names(self) -> list[str]:
        """What it has, as it is written."""
        return list(self._values)

    def is_list(self, name: str) -> bool:
        """Whether a list stands there."""
        return isinstance(self._values.get(name), list)

    def is_table(self, name: str) -> bool:
        """Whether a table stands there."""
        return isinstance(self._values.get(name), dict)

    def close(self, refusals: Refusals) -> None:
        """Refuses every key that was not asked for: by its own words, or with the nearest that could be meant."""
        own_words = {self._words(name): words for name, words in refusals.items()}
        for name in self._values:
            if name not in self._known:
                self.report.refuse(joined(self.key, name), *(own_words.get(name) or self._unknown(name)))

    def refer(self, error: ConfigError) -> None:
        """Takes findings whose keys are names of fields into the report."""
        for finding in error.findings:
            key = f"{self.key}.{written(finding.key, self._words)}"
            self.report.findings.append(self.report.placed(replace(finding, key=key)))

    def _unknown(self, name: str) -> tuple[str, str]:
        near = difflib.get_close_matches(name, self._known, n=1)
        problem = "is no table" if isinstance(self._values[name], dict) else "is no key"
        return problem, f"did you mean {near[0]}?" if near else f"expected one of {', '.join(self._known)}"

    def _find(self, name: str) -> tuple[str, _Found | None]:
        word = self._words(name)
        key = joined(self.key, word)
        self._known.append(word)
        if override := self.report.overrides.get(key):
            return override.origin, _Found(override.value)
        return key, _Found(self._values[word]) if word in self._values else None

    def _parsed(self, key: str, value: object, parse: Parse[T], stand_in: T) -> T:
        try:
            return parse(value)
        except ConfigError as error:
            for finding in error.findings:
                self.report.refuse(f"{key}{finding.key}", finding.problem, finding.expected)
        return stand_in

    def _within(self, value: object, key: str, words: Words) -> Table | None:
        values = self._parsed(key, value, _a_table, None)
        return None if values is None else Table(values, key, self.report, words)


@dataclass(frozen=True, slots=True)
class _Found:
    """A value that is there; null is one."""

    value: object


def _a_table(value: object) -> Mapping[str, object] | None:
    if not isinstance(value, dict):
        raise wrong_kind(value, "a table")
    return value


def _a_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise wrong_kind(value, "a list of tables")
    return value
