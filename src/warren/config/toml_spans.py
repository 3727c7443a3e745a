"""The statements of a TOML text with their positions, which tomllib does not give.

The scanner finds headers and keys and skips everything else: comments, all four kinds of strings, lists over several
lines. For invalid TOML its result means nothing; tomllib reads the same text and reports the error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from warren.config.field_names import joined

# Everything that can hide a newline, a bracket or an equals sign, and these themselves. A multi-line string may end in
# two quotation marks of its own before the three that close it (TOML 1.0, String).
TOKEN = re.compile(
    r'''
    """ (?: \\. | [^\\] )*? "{3,5}
    | '{3} .*? '{3,5}
    | " (?: \\. | [^"\\\n] )* "
    | ' [^'\n]* '
    | \# [^\n]*
    | [\[\]{}=\n]
    ''',
    re.DOTALL | re.VERBOSE,
)
# A statement on one line in which nothing is hidden, as most are; its tokens one by one take three times as long.
PLAIN_TEXT = r'"[^"\\\n]*"'
PLAIN_LINE = re.compile(
    rf"""([ \t]*)
    (?: (?P<key> [A-Za-z0-9_.-]+) [ \t]* = [ \t]*
        (?: {PLAIN_TEXT} | [^"'\[\]{{}}=\#\n]* | \[ (?: {PLAIN_TEXT} | [^"'\[\]{{}}=\#\n] )* \] )
    |   \[  (?P<table> [A-Za-z0-9_-]+ (?: \. [A-Za-z0-9_-]+ )*) \]
    |   \[\[ (?P<array> [A-Za-z0-9_-]+ (?: \. [A-Za-z0-9_-]+ )*) \]\]
    ) (?= [ \t\r]* (?: \# [^\n]* )? \n )""",
    re.VERBOSE,
)
PLAIN_HEADER = re.compile(r"(\[\[?)([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(\]\]?)(?=[ \t]*(?:#|\Z))")
PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]+")


class Statement(NamedTuple):
    """A header or a key with its value; a tuple, as a large file has many."""

    path: tuple[str, ...]
    """The names as written; the path of a key does not include the header above it."""
    kind: str
    """`key`, `table` for `[a.b]`, `array` for `[[a.b]]`."""
    line: int
    begin: int
    """The offset of its first character."""
    end: int
    """The offset of its end; a header ends before a comment."""


def statements(text: str) -> Iterator[Statement]:
    """Yield every statement of `text`, in order."""
    text, at, line = f"{text}\n", 0, 1
    while at < len(text):
        if plain := PLAIN_LINE.match(text, at):
            kind = plain.lastgroup or ""
            yield Statement(tuple(plain[kind].split(".")), kind, line, plain.end(1), plain.end())
            at, line = text.index("\n", plain.end()) + 1, line + 1
        else:
            begin, equals, end = _span(text, at)
            yield from _statement(text, line, begin, equals, end)
            at, line = end + 1, line + 1 + text.count("\n", begin, end)


def _span(text: str, begin: int) -> tuple[int, int | None, int]:
    """Return (begin, offset of its equals sign or None, end) of the next statement; it is empty on a blank line."""
    depth, equals = 0, None
    for token in TOKEN.finditer(text, begin):
        match token[0]:
            case "\n" if depth <= 0:
                end = token.start()
                return begin + len(text[begin:end]) - len(text[begin:end].lstrip()), equals, end
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "=" if depth == 0 and equals is None:
                equals = token.start()
            case _:
                pass
    return begin, None, len(text)  # a list without an end


def _statement(text: str, line: int, begin: int, equals: int | None, end: int) -> Iterator[Statement]:
    """Yield the statement of a span, unless it is only blanks or a comment."""
    if equals is not None:
        if path := _key_path(text[begin:equals]):
            yield Statement(path, "key", line, begin, end)
    elif header := _header(text[begin:end]):
        path, kind, length = header
        yield Statement(path, kind, line, begin, begin + length)


def _key_path(written: str) -> tuple[str, ...]:
    written = written.strip()
    if PLAIN_KEY.fullmatch(written):
        return tuple(written.split("."))
    return _path_in(f"{written} = 0")


def _header(written: str) -> tuple[tuple[str, ...], str, int] | None:
    """Return the path, the kind and the length of a header, without what follows it."""
    if not written.startswith("["):
        return None
    if plain := PLAIN_HEADER.match(written):
        opening, name, closing = plain.groups()
        if len(opening) == len(closing):
            return tuple(name.split(".")), "array" if closing == "]]" else "table", plain.end()
    path = _path_in(written.rstrip())
    opening = "[[" if written.startswith("[[") else "["
    end = next((found.end() for found in TOKEN.finditer(written, len(opening)) if found[0] == "]"), len(written))
    return (path, "array" if opening == "[[" else "table", end + len(opening) - 1) if path else None


def _path_in(statement: str) -> tuple[str, ...]:
    """Return the path of a statement. tomllib itself reads the quotation marks and escapes."""
    try:
        value: object = tomllib.loads(statement)
    except ValueError:
        return ()
    path: list[str] = []
    while isinstance(value, dict) and value:
        name, value = next(iter(value.items()))
        path.append(name)
    return tuple(path)


class KeyLines:
    """The line of each header and key, by key as findings write it; it numbers the tables of each array."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._arrays: dict[str, int] = {}
        self._table = ""

    def add(self, statement: Statement, path: tuple[str, ...] | None = None) -> None:
        """Record the next statement of the text; `path` replaces the path that it was written with."""
        path = statement.path if path is None else path
        if statement.kind == "key":
            self._walk(self._table, path, statement.line)
            return
        if statement.kind == "array":
            array = joined(self._walk("", path[:-1], statement.line), path[-1])
            self._arrays[array] = self._arrays.get(array, -1) + 1
            self.lines.setdefault(array, statement.line)
        self._table = self._walk("", path, statement.line)

    def _walk(self, key: str, path: tuple[str, ...], line: int) -> str:
        for name in path:
            key = joined(key, name)
            if key in self._arrays:
                key = f"{key}[{self._arrays[key]}]"
            self.lines.setdefault(key, line)
        return key


class LazyKeyLines(Mapping[str, int]):
    """The line of each header and key of a TOML text, which is scanned only as far as the keys asked for need it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._rest = statements(text)
        self._known = KeyLines()
        self._names: dict[str, bool] = {}

    def __getitem__(self, key: str) -> int:
        lines = self._known.lines
        if key not in lines and self._may_come(key):
            for statement in self._rest:
                self._known.add(statement)
                if key in lines:
                    break
        return lines[key]

    def __iter__(self) -> Iterator[str]:
        for statement in self._rest:
            self._known.add(statement)
        return iter(self._known.lines)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _may_come(self, key: str) -> bool:
        """Return False for a key with its default: the text has neither its name nor an escape to spell it with."""
        name = key.rpartition(".")[2].partition("[")[0]
        if name not in self._names:
            self._names[name] = name in self._text or "\\" in self._text or not PLAIN_KEY.fullmatch(name)
        return self._names[name]
