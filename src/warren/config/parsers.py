"""Parsers of what TOML and JSON hold. Each takes any value and returns one of its type, or raises ConfigError.

A finding's key is empty, or `[N]` within a list: whoever knows where the value stands puts that before it. A path or a
key that is wrong is never repeated: it may be a secret in a wrong place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import TypeVar

from warren.config.durations import parse_duration
from warren.errors import ConfigError, Finding, KeyTextError, redacted_repr
from warren.tunnel.config import out_of_range
from warren.tunnel.network import IPAddress

T = TypeVar("T")
Parse = Callable[[object], T]

MAX_LOGIN_CHARACTERS = 32  # useradd(8)

# In this order: true and false are whole numbers to Python.
KINDS = {
    bool: "true or false",
    str: "text",
    int: "a whole number",
    float: "a number with a fraction",
    list: "a list",
    dict: "a table",
    type(None): "null",
}


def kind(value: object) -> str:
    """What a value is, in the words of a configuration."""
    return next((words for each, words in KINDS.items() if isinstance(value, each)), "a date or a time")


def wrong_kind(value: object, expected: str) -> ConfigError:
    """The error for a value of another type."""
    return ConfigError([Finding("", f"is {kind(value)}", f"expected {expected}")])


def text(value: object) -> str:
    """Text, which may be empty."""
    if not isinstance(value, str):
        raise wrong_kind(value, "text in quotation marks")
    return value


def flag(value: object) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise wrong_kind(value, "true or false")
    return value


def number_in(allowed: range) -> Parse[int]:
    """A whole number in `allowed`."""

    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_kind(value, f"a whole number from {allowed.start} to {allowed.stop - 1}")
        return _in_range(value, allowed)

    return parse


def duration_in(allowed: range) -> Parse[int]:
    """Seconds in `allowed`, as durations.py reads them."""
    return lambda value: _in_range(parse_duration(value), allowed)


def _in_range(value: int, allowed: range) -> int:
    if findings := [*out_of_range("", value, allowed)]:
        raise ConfigError(findings)
    return value


def text_as(parse: Callable[[str], T]) -> Parse[T]:
    """Text in the notation that `parse` reads."""

    def parse_value(value: object) -> T:
        try:
            return parse(text(value))
        except ConfigError as error:
            raise ConfigError([replace(finding, key="") for finding in error.findings]) from None
        except KeyTextError as error:
            raise ConfigError([Finding("", str(error), error.hint)]) from None

    return parse_value


def number_or_text(number: Parse[T], notation: Parse[T]) -> Parse[T]:
    """A number, or text in a notation."""
    return lambda value: notation(value) if isinstance(value, str) else number(value)


def checked(parse: Parse[T], findings: Callable[[T], Iterable[Finding]]) -> Parse[T]:
    """What `parse` gives, if there are no findings."""

    def parse_value(value: object) -> T:
        parsed = parse(value)
        if found := [replace(finding, key="") for finding in findings(parsed)]:
            raise ConfigError(found)
        return parsed

    return parse_value


def list_of(parse: Parse[T]) -> Parse[tuple[T, ...]]:
    """A list; what is wrong with each item comes at once."""

    def parse_list(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise wrong_kind(value, "a list in brackets")
        return _parsed_items(value, parse)

    return parse_list


def one_or_list(parse: Parse[T]) -> Parse[tuple[T, ...]]:
    """A list, or one item without the brackets."""
    listed = list_of(parse)
    return lambda value: listed(value) if isinstance(value, list) else (parse(value),)


def _parsed_items(items: list[object], parse: Parse[T]) -> tuple[T, ...]:
    parsed: list[T] = []
    findings: list[Finding] = []
    for number, item in enumerate(items):
        try:
            parsed.append(parse(item))
        except ConfigError as error:
            findings += (replace(finding, key=f"[{number}]{finding.key}") for finding in error.findings)
    if findings:
        raise ConfigError(findings)
    return tuple(parsed)


def parse_ip(written: str) -> IPAddress:
    """An address without a length or a zone."""
    try:
        address = ip_address(written)
    except ValueError:
        address = None
    if address is None or "%" in written:
        raise ConfigError([Finding("", f"{redacted_repr(written)} is no address", "expected an IP address")])
    return address


def login_findings(name: str) -> Iterator[Finding]:
    """A finding if no user or group can be called so."""
    if not 0 < len(name) <= MAX_LOGIN_CHARACTERS or not name.isprintable() or set(name) & set(" :/"):
        yield Finding(
            "",
            f"{redacted_repr(name)} is no name of a user or group",
            f"expected 1 to {MAX_LOGIN_CHARACTERS} characters",
        )
