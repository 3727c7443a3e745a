"""Closed shapes of what JSON and TOML hold: a member that is not named is refused, and so is one of another type.

A shape is a function that takes a value and where it stands, and raises ValueError with what would be right there. Its
text holds nothing of a value, and of a name that nobody gave at most the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Shape = Callable[[object, str], None]
LONGEST_NAME = 64


def text(pattern: str, about: str) -> Shape:
    """A text that matches whole."""
    compiled = re.compile(pattern, re.ASCII | re.DOTALL)

    def check(value: object, where: str) -> None:
        if not (isinstance(value, str) and compiled.fullmatch(value)):
            raise ValueError(f"{where}: expected {about}")

    return check


def choice(*values: str) -> Shape:
    """One of these texts."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or value not in values:
            raise ValueError(f"{where}: expected {' or '.join(values)}")

    return check


def whole(least: int, most: int) -> Shape:
    """A whole number; true is none."""

    def check(value: object, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{where}: expected a whole number from {least} to {most}")

    return check


def array(of: Shape, least: int, most: int) -> Shape:
    """A list of so many, none of them twice."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise ValueError(f"{where}: expected a list of {least} to {most}")
        for number, each in enumerate(value):
            of(each, f"{where}[{number}]")
            if each in value[:number]:
                raise ValueError(f"{where}[{number}]: is there already")

    return check


def table(name: Shape, of: Shape, most: int) -> Shape:
    """Members of one shape, whose names are not fixed."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            raise ValueError(f"{where}: expected an object of at most {most} members")
        for each, found in value.items():
            name(each, f"{where}: {_shown(each)}")
            of(found, f"{where}.{each}")

    return check


def record(required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """Members whose names are fixed."""
    rules = {**required, **(optional or {})}

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{where}: expected an object")  # noqa: TRY004, it is the text that is wrong
        prefix = f"{where}." if where else ""
        for name in required:
            if name not in value:
                raise ValueError(f"{prefix}{name}: is missing")
        for name, found in value.items():
            if name not in rules:
                raise ValueError(f"{prefix}{_shown(name)}: is no member; expected {', '.join(rules)}")
            rules[name](found, f"{prefix}{name}")

    return check


def anything(value: object, where: str) -> None:
    """An object, whatever is in it: another rule looks at that."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object")  # noqa: TRY004, it is the text that is wrong


def _shown(name: object) -> str:
    return repr(str(name)[:LONGEST_NAME])
