"""A file of `[Section]` and `Key = value` lines, read so that a mistake does not hide the next one.

Every reader takes the list of findings and adds to it; what cannot be read is stood in for, and whoever finds the list
not empty at the end throws the result away.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from warren.errors import ConfigError, Finding, KeyTextError

T = TypeVar("T")
MAX_SAID = 32  # the longest key has 19 characters; a secret that lost its key has 43 and the '=' at its end


@dataclass(frozen=True, slots=True)
class Entry:
    """One `Key = value`."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """One section; `entries` by the key as it is written in the manual."""

    title: str
    line: int
    entries: dict[str, list[Entry]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grammar:
    """Each section's keys, and those of all keys that may stand several times."""

    keys: Mapping[str, Collection[str]]
    lists: Collection[str]

    def read(self, text: str, findings: list[Finding]) -> list[Section]:
        """Splits `text` into sections."""
        sections: list[Section] = []
        judged = True  # false inside a section that nobody knows: its keys cannot be right or wrong
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.partition("#")[0].strip()
            if line.startswith("["):
                title = _as_written(line.removeprefix("[").removesuffix("]"), self.keys)
                judged = title is not None and line.endswith("]")
                if title is not None and judged:
                    sections.append(Section(title, number))
                else:
                    expected = "expected " + " or ".join(f"[{title}]" for title in self.keys)
                    findings.append(Finding(_said(line), "is no section", expected, number))
            elif line and judged:
                findings += self._read_entry(sections, line, number)
        return sections

    def _read_entry(self, sections: list[Section], line: str, number: int) -> Iterator[Finding]:
        said, equals, text = (part.strip() for part in line.partition("="))
        if not equals:
            # The line stays unsaid: it may be a secret that lost its key.
            yield Finding("this line", "has no '='", "expected KEY = VALUE", number)
        elif not sections:
            yield Finding(
                _said(said), "stands above every section", f"expected [{next(iter(self.keys))}] first", number
            )
        elif (key := _as_written(said, self.keys[sections[-1].title])) is None:
            title = sections[-1].title
            yield Finding(_said(said), f"is no key of [{title}]", self._nearest(said, title), number)
        else:
            entries = sections[-1].entries.setdefault(key, [])
            if entries and key not in self.lists:
                yield Finding(key, f"stands on line {entries[0].line} already", "expected it once", number)
            entries.append(Entry(text, number))

    def _nearest(self, said: str, section: str) -> str:
        places = {word.lower(): (title, word) for title, words in self.keys.items() for word in words}
        near = difflib.get_close_matches(said.lower(), places, n=1)
        if not near:
            return f"expected one of {', '.join(self.keys[section])}"
        title, word = places[near[0]]
        return f"did you mean {word}?" if title == section else f"{word} belongs into [{title}]"


def _said(text: str) -> str:
    """A word of the file, where it can be no secret."""
    return text if len(text) <= MAX_SAID and "=" not in text else "this line"


def _as_written(said: str, words: Collection[str]) -> str | None:
    return next((word for word in words if word.lower() == said.lower()), None)


def read_one(section: Section, key: str, parse: Callable[[str], T], default: T, findings: list[Finding]) -> T:
    """The value of `key`; `default` where it is absent or wrong."""
    entries = section.entries.get(key)
    values = [] if entries is None else _parsed(key, entries[0].text, entries[0].line, parse, findings)
    return values[0] if values else default


def read_list(
    section: Section, key: str, parse: Callable[[str], T], separator: str, findings: list[Finding]
) -> list[tuple[T, int]]:
    """Every value of `key` with its line; `separator` is a regular expression. Wrong ones are left out."""
    return [
        (value, entry.line)
        for entry in section.entries.get(key, ())
        for item in re.split(separator, entry.text)
        if item
        for value in _parsed(key, item, entry.line, parse, findings)
    ]


def _parsed(key: str, text: str, line: int, parse: Callable[[str], T], findings: list[Finding]) -> list[T]:
    try:
        return [parse(text)]
    except ConfigError as error:
        findings += (replace(finding, key=key, line=line) for finding in error.findings)
    except KeyTextError as error:
        findings.append(Finding(key, str(error), error.hint, line))
    return []
