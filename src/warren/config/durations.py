"""Durations, in every key that holds one (X-19): a whole number of seconds, or text with units as `24h` and `1h30m`."""

from __future__ import annotations

import re

from warren.errors import ConfigError, Finding

UNIT_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
# Each unit once, the longest first; nine digits are more than thirty years of seconds.
DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in UNIT_SECONDS), re.ASCII)
FORM = "expected seconds, or text as 90s, 30m, 24h, 7d or 1h30m"


def parse_duration(value: object) -> int:
    """Seconds, 0 or more. Raises ConfigError for text without units, a sign, a fraction and every other type."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    matched = DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if matched is None:
        raise ConfigError([Finding("", "is no duration", FORM)])
    return sum(int(count or 0) * length for count, length in zip(matched.groups(), UNIT_SECONDS.values(), strict=True))
