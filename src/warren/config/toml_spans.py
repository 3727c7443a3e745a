"""The statements of a TOML text with their places, which tomllib does not tell.

It finds headers and keys and passes over everything else: comments, all four kinds of strings, lists over many lines.
Of a text that is no TOML it may see anything; tomllib reads the text as well, and its word counts.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

# What can hide a newline, a bracket or an equals sign, and these themselves. A string of many lines may have two
# quotation marks of its own before the three at its end (TOML 1.0, String).
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
PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Statement:
    """A header or a key with its value."""

    path: tuple[str, ...]
    """As written: of a key, without the header that it stands under."""
    kind: str
    """`key`, `table` for `[a.b]`, `array` for `[[a.b]]`."""
    line: int
    begin: int
    """Where it begins in the text."""
    end: int
    """Where it ends; a header, without a comment behind it."""


def statements(text: str) -> Iterator[Statement]:
    """Every statement of `text`, in order."""
    line, counted = 1, 0
    for begin, equals, end in _spans(text):
        line += text.count("\n", counted, begin)
        counted = begin
        if equals is not None:
            if path := _key_path(text[begin:equals]):
                yield Statement(path, "key", line, begin, end)
        elif header := _header(text[begin:end]):
            path, kind, length = header
            yield Statement(path, kind, line, begin, begin + length)


def _spans(text: str) -> Iterator[tuple[int, int | None, int]]:
    """(begin, the first `=` outside all else or None, end) of every line or group of lines that is a statement."""
    begin, depth, equals = 0, 0, None
    for token in TOKEN.finditer(f"{text}\n"):
        match token[0]:
            case "\n" if depth <= 0:
                end = token.start()
                begin += len(text[begin:end]) - len(text[begin:end].lstrip())
                if begin < end:
                    yield begin, equals, end
                begin, depth, equals = token.end(), 0, None
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "=" if depth == 0 and equals is None:
                equals = token.start()
            case _:
                pass


def _key_path(written: str) -> tuple[str, ...]:
    written = written.strip()
    if PLAIN_KEY.fullmatch(written):
        return tuple(written.split("."))
    return _path_in(f"{written} = 0")


def _header(written: str) -> tuple[tuple[str, ...], str, int] | None:
    """The path, the kind and the length of a header without what follows it."""
    if not written.startswith("["):
        return None
    path = _path_in(written.rstrip())
    opening = "[[" if written.startswith("[[") else "["
    end = next((found.end() for found in TOKEN.finditer(written, len(opening)) if found[0] == "]"), len(written))
    return (path, "array" if opening == "[[" else "table", end + len(opening) - 1) if path else None


def _path_in(statement: str) -> tuple[str, ...]:
    """The names down to the one thing that a statement makes; quotation marks and escapes are tomllib's to read."""
    try:
        made: object = tomllib.loads(statement)
    except ValueError:
        return ()
    path: list[str] = []
    while isinstance(made, dict) and made:
        name, made = next(iter(made.items()))
        path.append(name)
    return tuple(path)
