"""Parsers of configuration values: scalars, lists, durations, sizes and paths.

A parser reads any value of TOML or JSON into its type, or raises ConfigError, and writes it back. `accepts` is the text
of the reference page. The key of a finding is empty, or `[N]` within a list: the reader puts the key of the field
before it. A path or a key that is invalid is never repeated in an error: it may be a secret in the wrong place (H-79).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Generic, TypeVar

from warren.errors import ConfigError, Finding, KeyTextError, redacted_repr

IPAddress = IPv4Address | IPv6Address
Plain = str | int | float | bool | Sequence["Plain"]
"""A value as TOML and JSON hold it."""
T = TypeVar("T")
Number = TypeVar("Number", int, float)
Choice = TypeVar("Choice", bound=str)

MAX_LOGIN_CHARACTERS = 32  # useradd(8)
PATH_EXPECTED = "expected an absolute path without '..'"
DURATION_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
# Each unit once, the longest first; nine digits are more than thirty years of seconds.
DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in DURATION_UNITS), re.ASCII)
DURATION_EXPECTED = "expected seconds, or text such as 90s, 30m, 24h, 7d or 1h30m"
DURATION_NAMES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
SIZE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
SIZE = re.compile(r"(\d{1,15})([bkmg]?)", re.ASCII | re.IGNORECASE)
SIZE_EXPECTED = 'a number of bytes, or text such as "512m"'
SIZE_NAMES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes"))

# In this order, because bool is a subclass of int in Python.
TYPE_NAMES = {
    bool: "true or false",
    str: "text",
    int: "a whole number",
    float: "a number with a fraction",
    list: "a list",
    dict: "a table",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Parser(Generic[T]):
    """A parser of one type of value. Paths are read and written relative to a root directory (`--root`)."""

    accepts: str
    """The accepted values with unit and range, for the reference page: `1 s to 1 h`."""
    read_below: Callable[[object, str], T]
    """Reads a value; the second argument is the root directory."""
    write_below: Callable[[T, str], Plain]
    """Writes a value so that reading it gives the same."""

    def read(self, value: object, root: str = "") -> T:
        """Return the parsed value. Raises ConfigError."""
        return self.read_below(value, root)

    def write(self, value: T, root: str = "") -> Plain:
        """Return the value as TOML and JSON hold it."""
        return self.write_below(value, root)


def make_parser(accepts: str, read: Callable[[object], T], write: Callable[[T], Plain] = str) -> Parser[T]:
    """Return a parser of values that hold no path."""
    return Parser(accepts, lambda value, _root: read(value), lambda value, _root: write(value))


def type_name(value: object) -> str:
    """Return the name of the type of a value, for errors."""
    return next((name for kind, name in TYPE_NAMES.items() if isinstance(value, kind)), "a date or a time")


def wrong_type(value: object, expected: str) -> ConfigError:
    """Return the error for a value of another type."""
    return ConfigError([Finding("", f"is {type_name(value)}", f"expected {expected}")])


def unknown_value(noun: str, text: str, expected: str) -> ConfigError:
    """Return the error for a text that is not one of the allowed values."""
    return ConfigError([Finding("", f"unknown {noun} {redacted_repr(text)}", f"expected {expected}")])


def out_of_range(key: str, value: int, allowed: range) -> Iterator[Finding]:
    """Yield a finding if `value` is not in `allowed`."""
    if value not in allowed:
        yield Finding(key, f"{value} is out of range", f"expected {allowed.start} to {allowed.stop - 1}")


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, "text in quotation marks")
    return value


def _read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(value, "true or false")
    return value


TEXT = make_parser("text", _read_text)
FLAG = make_parser("true or false", _read_flag, bool)


def number_in(allowed: range) -> Parser[int]:
    """Return a parser of whole numbers in `allowed`."""
    accepts = f"{allowed.start} to {allowed.stop - 1}"

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(value, f"a whole number from {accepts}")
        return _in_range(value, allowed, accepts)

    return make_parser(accepts, read, int)


def decimal_in(least: float, most: float) -> Parser[float]:
    """Return a parser of numbers, also as text: document 004 writes `cpu_limit = "0.5"`."""
    accepts = f"{least:g} to {most:g}"

    def read(value: object) -> float:
        try:
            number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None:
            raise wrong_type(value, f"a number from {accepts}")
        if not least <= number <= most:
            raise ConfigError([Finding("", f"{number:g} is out of range", f"expected {accepts}")])
        return number

    return make_parser(accepts, read, float)


def _in_range(value: int, allowed: range, accepts: str) -> int:
    if value not in allowed:
        raise ConfigError([Finding("", f"{value} is out of range", f"expected {accepts}")])
    return value


def parse_duration(value: object) -> int:
    """Return seconds, 0 or more (X-19): a whole number of seconds, or text with units such as `24h` and `1h30m`.

    Raises ConfigError for text without units, a sign, a fraction and every other type.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ConfigError([Finding("", "invalid duration", DURATION_EXPECTED)])
    return sum(int(count or 0) * unit for count, unit in zip(match.groups(), DURATION_UNITS.values(), strict=True))


def duration_in(allowed: range) -> Parser[int]:
    """Return a parser of durations whose seconds are in `allowed`."""
    accepts = f"{format_duration(allowed.start)} to {format_duration(allowed.stop - 1)}"
    return make_parser(accepts, lambda value: _in_range(parse_duration(value), allowed, accepts), int)


def format_duration(seconds: int) -> str:
    """Return a duration in the longest unit that divides it."""
    return _in_longest_unit(seconds, DURATION_NAMES) if seconds else "0 s"


def size_in(allowed: range) -> Parser[int]:
    """Return a parser of sizes in bytes: a whole number, or text in the notation of container engines, `512m`."""
    accepts = _size_range(allowed)
    return make_parser(accepts, lambda value: _in_range(_parse_size(value), allowed, accepts), _write_size)


def mebibytes_in(allowed: range) -> Parser[int]:
    """Return a parser of sizes as of `size_in` that gives whole MiB; `allowed` is in bytes."""
    size = size_in(allowed)
    return make_parser(size.accepts, lambda value: size.read(value) >> 20, lambda mebibytes: f"{mebibytes}m")


def format_size(size: int) -> str:
    """Return a size in the longest unit that divides it."""
    return _in_longest_unit(size, SIZE_NAMES) if size else "0"


def _write_size(size: int) -> Plain:
    for letter in "gmk":
        if size and size % SIZE_UNITS[letter] == 0:
            return f"{size // SIZE_UNITS[letter]}{letter}"
    return size


def _size_range(allowed: range) -> str:
    if allowed.stop % (1 << 40) == 0:  # so large that it bounds nothing
        return f"{format_size(allowed.start)} or more" if allowed.start else "any size"
    return f"{format_size(allowed.start)} to {format_size(allowed.stop - 1)}"


def _in_longest_unit(value: int, units: Sequence[tuple[int, str]]) -> str:
    size, name = next((size, name) for size, name in units if value % size == 0)
    return f"{value // size} {name}"


def _parse_size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise (
            wrong_type(value, SIZE_EXPECTED)
            if not isinstance(value, str)
            else ConfigError([Finding("", "invalid size", f"expected {SIZE_EXPECTED}")])
        )
    return int(match[1]) * SIZE_UNITS[match[2].lower()]


def text_as(parse: Callable[[str], T], accepts: str, write: Callable[[T], Plain] = str) -> Parser[T]:
    """Return a parser of text in the notation that `parse` reads."""

    def read(value: object) -> T:
        try:
            return parse(_read_text(value))
        except ConfigError as error:
            raise _without_keys(error.findings) from None
        except KeyTextError as error:
            raise ConfigError([Finding("", str(error), error.hint)]) from None

    return make_parser(accepts, read, write)


def matching(pattern: re.Pattern[str], expected: str) -> Parser[str]:
    """Return a parser of text that matches `pattern` as a whole."""

    def findings(value: str) -> Iterator[Finding]:
        if not pattern.fullmatch(value):
            yield Finding("", "invalid value", f"expected {expected}")

    return checked(TEXT, findings, expected)


def one_of(values: Sequence[Choice], noun: str) -> Parser[Choice]:
    """Return a parser of one of several words; `noun` names what they are in errors."""
    accepts = " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))

    def read(value: object) -> Choice:
        text = _read_text(value)
        for allowed in values:
            if text == allowed:
                return allowed
        raise unknown_value(noun, text, accepts)

    return make_parser(accepts, read)


def number_or_text(number: Parser[int], notation: Parser[T], accepts: str) -> Parser[T | int]:
    """Return a parser of a number, or of text in a notation; it writes numbers as numbers."""

    def read(value: object, root: str) -> T | int:
        return notation.read(value, root) if isinstance(value, str) else number.read(value, root)

    def write(value: T | int, root: str) -> Plain:
        return value if isinstance(value, int) else notation.write(value, root)

    return Parser(accepts, read, write)


def checked(parser: Parser[T], findings: Callable[[T], Iterable[Finding]], accepts: str) -> Parser[T]:
    """Return `parser` with a check of its result; the root directory is not yet before a path."""

    def read(value: object, root: str) -> T:
        parsed = parser.read(value, root)
        if found := [*findings(parsed)]:
            raise _without_keys(found)
        return parsed

    return Parser(accepts, read, parser.write)


def _without_keys(findings: Iterable[Finding]) -> ConfigError:
    return ConfigError([replace(finding, key="") for finding in findings])


def list_of(parser: Parser[T]) -> Parser[tuple[T, ...]]:
    """Return a parser of a list; it reports the problems of all items at once."""

    def read(value: object, root: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise wrong_type(value, "a list in brackets")
        return _read_items(value, parser, root)

    return Parser(f"list: {parser.accepts}", read, lambda items, root: [parser.write(item, root) for item in items])


def one_or_list(parser: Parser[T]) -> Parser[tuple[T, ...]]:
    """Return a parser of a list, or of one item without the brackets."""
    items = list_of(parser)

    def read(value: object, root: str) -> tuple[T, ...]:
        return items.read(value, root) if isinstance(value, list) else (parser.read(value, root),)

    return Parser(f"one or a list: {parser.accepts}", read, items.write)


def _read_items(items: list[object], parser: Parser[T], root: str) -> tuple[T, ...]:
    parsed: list[T] = []
    findings: list[Finding] = []
    for number, item in enumerate(items):
        try:
            parsed.append(parser.read(item, root))
        except ConfigError as error:
            findings += (replace(finding, key=f"[{number}]{finding.key}") for finding in error.findings)
    if findings:
        raise ConfigError(findings)
    return tuple(parsed)


def path_findings(path: str) -> Iterator[Finding]:
    """Yield a finding if `path` is relative or leads up. It is not repeated: it may be a key in the wrong place."""
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        yield Finding("", "invalid path", PATH_EXPECTED)


def _read_path(value: object, root: str) -> str:
    path = _read_text(value)
    if findings := [*path_findings(path)]:
        raise ConfigError(findings)
    return root + path


PATH = Parser("absolute path", _read_path, lambda path, root: path.removeprefix(root))


def login_findings(name: str) -> Iterator[Finding]:
    """Yield a finding if no user or group can have this name."""
    if not 0 < len(name) <= MAX_LOGIN_CHARACTERS or not name.isprintable() or set(name) & set(" :/"):
        problem = f"invalid user or group name {redacted_repr(name)}"
        yield Finding("", problem, f"expected 1 to {MAX_LOGIN_CHARACTERS} characters")


USER = checked(TEXT, login_findings, "user name")
GROUP = checked(TEXT, login_findings, "group name")


def parse_ip(text: str) -> IPAddress:
    """Return an address without a prefix length or a zone. Raises ConfigError."""
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or "%" in text:
        raise ConfigError([Finding("", f"invalid address {redacted_repr(text)}", "expected an IP address")])
    return address


IP_ADDRESS = text_as(parse_ip, "IP address")
