"""A file of `[Section]` and `Key = value` lines, read so that one mistake does not hide the next.

Two programs read such a file, and this reader follows both. wg-quick takes its own keys out of `[Interface]`: blanks
round a key and a value do not count. wg gets every other line: blanks do not count anywhere in it, so `Listen Port`,
`[ Peer ]` and a key in two halves are valid. Blanks are those of C; a non-breaking space is none. `#` starts a comment.

Every reader takes the list of findings and appends to it. An invalid value is replaced by a fallback, and the caller
discards the result if there is any finding at the end.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from warren.errors import ConfigError, Finding, KeyTextError

T = TypeVar("T")
BLANKS = " \t\n\v\f\r"  # isspace() in the C locale
UNDECODABLE = "\ufffd"  # stands for octets that are not UTF-8
_WITHOUT_BLANKS = {ord(blank): None for blank in BLANKS}
MAX_QUOTED = 32  # the longest key has 19 characters; a secret without its key has 43 and a trailing '='


@dataclass(frozen=True, slots=True)
class Entry:
    """One `Key = value` line."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """One section; `entries` by the key in the spelling of the manual."""

    title: str
    line: int
    entries: dict[str, list[Entry]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grammar:
    """The keys of each section, the keys that may occur several times, and those that wg-quick reads itself."""

    keys: Mapping[str, Collection[str]]
    lists: Collection[str]
    own: Collection[str]
    """Keys of the first section whose values keep their blanks; its title must be written without blanks for them."""

    def read(self, text: str, findings: list[Finding]) -> list[Section]:
        """Split `text` into sections."""
        sections: list[Section] = []
        known = True  # False inside an unknown section, whose keys cannot be checked
        has_own = False  # True where wg-quick finds its own keys
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.partition("#")[0].strip(BLANKS)
            if "\0" in line:
                findings.append(Finding("this line", "has a NUL octet", "expected text", number))
                line = line.replace("\0", "")
            if UNDECODABLE in line:
                findings.append(Finding("this line", "is not UTF-8", "expected text", number))
            elif line.startswith("["):
                title = self._title(line)
                known, has_own = title is not None, line.lower() == f"[{next(iter(self.keys))}]".lower()
                if title is not None:
                    sections.append(Section(title, number))
                else:
                    expected = "expected " + " or ".join(f"[{title}]" for title in self.keys)
                    findings.append(Finding(_quotable(line), "unknown section", expected, number))
            elif line and known:
                findings += self._read_entry(sections, line, number, has_own=has_own)
        return sections

    def _title(self, line: str) -> str | None:
        """Return the title of the section that a line begins, or None if there is no such section."""
        squeezed = line.translate(_WITHOUT_BLANKS)
        return _as_written(squeezed[1:-1], self.keys) if squeezed.endswith("]") else None

    def _read_entry(self, sections: list[Section], line: str, number: int, *, has_own: bool) -> Iterator[Finding]:
        name, equals, text = (part.strip(BLANKS) for part in line.partition("="))
        key = _as_written(name, self.own) if has_own else None
        if key is None and sections:
            text = text.translate(_WITHOUT_BLANKS)
            key = _as_written(name.translate(_WITHOUT_BLANKS), self.keys[sections[-1].title])
        if not equals:
            # The line is not repeated: it may be a secret without its key.
            yield Finding("this line", "has no '='", "expected KEY = VALUE", number)
        elif not sections:
            yield Finding(
                _quotable(name), "is above every section", f"expected [{next(iter(self.keys))}] first", number
            )
        elif key in self.own and not (has_own and name.isalpha()):
            title = f"[{sections[-1].title}]"
            problem = "has a blank in it" if has_own else f"is below a {title} with a blank in it"
            yield Finding(_quotable(name), problem, f"expected {title} and {key} as wg-quick reads them", number)
        elif key is None:
            title = sections[-1].title
            yield Finding(_quotable(name), f"unknown key in [{title}]", self._nearest(name, title), number)
        else:
            entries = sections[-1].entries.setdefault(key, [])
            if entries and key not in self.lists:
                yield Finding(key, f"duplicate of line {entries[0].line}", "expected it once", number)
            entries.append(Entry(text, number))

    def _nearest(self, name: str, section: str) -> str:
        places = {key.lower(): (title, key) for title, keys in self.keys.items() for key in keys}
        near = difflib.get_close_matches(name.lower(), places, n=1)
        if not near:
            return f"expected one of {', '.join(self.keys[section])}"
        title, key = places[near[0]]
        return f"did you mean {key}?" if title == section else f"{key} belongs in [{title}]"


def _quotable(text: str) -> str:
    """Return a text of the file as an error may repeat it: without what could be a secret."""
    return text if len(text) <= MAX_QUOTED and "=" not in text else "this line"


def _as_written(name: str, spellings: Collection[str]) -> str | None:
    """Return the spelling of the manual; only ASCII has cases here, as in C."""
    return next((spelling for spelling in spellings if name.isascii() and spelling.lower() == name.lower()), None)


def read_one(section: Section, key: str, parse: Callable[[str], T], default: T, findings: list[Finding]) -> T:
    """Return the value of `key`, or `default` if it is missing or invalid."""
    entries = section.entries.get(key)
    values = [] if entries is None else _parsed(key, entries[0].text, entries[0].line, parse, findings)
    return values[0] if values else default


def read_list(
    section: Section, key: str, parse: Callable[[str], T], separator: str, findings: list[Finding]
) -> list[tuple[T, int]]:
    """Return every value of `key` with its line; `separator` is a regular expression. Invalid ones are left out."""
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
