"""Amounts in the notation of container engines: `512m`, `"0.5"`."""

from __future__ import annotations

import re

from warren.config.parsers import Parse, wrong_kind
from warren.errors import ConfigError, Finding

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
SIZE = re.compile(r"(\d{1,15})([bkmg]?)", re.ASCII | re.IGNORECASE)


def size_in(allowed: range) -> Parse[int]:
    """Octets: a whole number, or text as `512m`."""

    def parse(value: object) -> int:
        octets = _octets(value)
        if octets not in allowed:
            expected = f"expected {allowed.start} to {allowed.stop - 1} octets"
            raise ConfigError([Finding("", f"{octets} octets are out of range", expected)])
        return octets

    return parse


def _octets(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong_kind(value, 'a number of octets, or text as "512m"')
    return int(found[1]) * UNITS[found[2].lower()]


def amount_in(least: float, most: float) -> Parse[float]:
    """A number, or the same as text, as document 004 writes `cpu_limit`."""

    def parse(value: object) -> float:
        try:
            amount = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        except ValueError:
            amount = None
        if amount is None:
            raise wrong_kind(value, f"a number from {least:g} to {most:g}")
        if not least <= amount <= most:
            problem = f"{amount:g} is out of range"
            raise ConfigError([Finding("", problem, f"expected a number from {least:g} to {most:g}")])
        return amount

    return parse
