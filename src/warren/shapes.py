"""Closed schemas of JSON and TOML values: unknown members and values of another type are rejected.

A shape is a function of a value and its location. It raises ValueError with the location and what was expected there.
The message never contains a value, and at most the start of an unknown name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from warren.errors import redacted_repr

Shape = Callable[[object, str], None]
MAX_SHOWN_NAME = 64


def text(pattern: str, about: str) -> Shape:
    """Return the shape of a text that matches a pattern; `about` describes it in messages."""
    compiled = re.compile(pattern, re.ASCII | re.DOTALL)

    def check(value: object, where: str) -> None:
        if not (isinstance(value, str) and compiled.fullmatch(value)):
            raise ValueError(f"{where}: expected {about}")

    return check


def choice(*values: str) -> Shape:
    """Return the shape of one of these texts."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or value not in values:
            raise ValueError(f"{where}: expected {' or '.join(values)}")

    return check


def whole(minimum: int, maximum: int) -> Shape:
    """Return the shape of a whole number in a range; booleans are rejected."""

    def check(value: object, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise ValueError(f"{where}: expected a whole number from {minimum} to {maximum}")

    return check


def flag(value: object, where: str) -> None:
    """Accept true and false."""
    if not isinstance(value, bool):
        raise ValueError(f"{where}: expected true or false")  # noqa: TRY004, the text is wrong, not its type in Python


def array(of: Shape, minimum: int, maximum: int) -> Shape:
    """Return the shape of a list of distinct items, with a range for their number."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, list) or not minimum <= len(value) <= maximum:
            raise ValueError(f"{where}: expected a list of {minimum} to {maximum}")
        known: set[str] = set()
        for index, item in enumerate(value):
            of(item, f"{where}[{index}]")
            text = json.dumps(item, sort_keys=True)  # an item may be an object, which has no hash
            if text in known:
                raise ValueError(f"{where}[{index}]: duplicate")
            known.add(text)

    return check


def table(name: Shape, of: Shape, maximum: int) -> Shape:
    """Return the shape of an object with free names and members of one shape."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict) or len(value) > maximum:
            raise ValueError(f"{where}: expected an object of at most {maximum} members")
        for key, member in value.items():
            name(key, f"{where}: {_shortened(key)}")
            of(member, f"{where}.{key}")

    return check


def record(required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """Return the shape of an object with fixed names."""
    rules = {**required, **(optional or {})}

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{where}: expected an object")  # noqa: TRY004, the text is wrong, not its type in Python
        prefix = f"{where}." if where else ""
        for name in required:
            if name not in value:
                raise ValueError(f"{prefix}{name}: missing")
        for name, member in value.items():
            if name not in rules:
                raise ValueError(f"{prefix}{_shortened(name)}: unknown member; expected {', '.join(rules)}")
            rules[name](member, f"{prefix}{name}")

    return check


def any_json(_value: object, _where: str) -> None:
    """Accept every value: nothing here reads it."""


def anything(value: object, where: str) -> None:
    """Accept any object; another rule checks its members."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object")  # noqa: TRY004, the text is wrong, not its type in Python


def _shortened(name: object) -> str:
    return redacted_repr(str(name), MAX_SHOWN_NAME)
