"""Ages and sizes for people."""

from __future__ import annotations

AGES = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
SIZES = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
STEP = 1024


def format_age(seconds: float | None) -> str:
    """Return an age in the largest whole unit: `12 seconds ago`, `2 hours ago`, `now`; `never` for None."""
    if seconds is None:
        return "never"
    for noun, length in AGES:
        if count := int(seconds // length):
            return f"{count} {noun}{'' if count == 1 else 's'} ago"
    return "now"


def format_bytes(count: int) -> str:
    """Return a size in the largest binary unit: `148 B`, `1.2 MiB`."""
    if count < STEP:
        return f"{count} B"
    size = float(count)
    for unit in SIZES:
        size /= STEP
        if size < STEP or unit == SIZES[-1]:
            break
    return f"{size:.1f} {unit}"


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 peer`, `2 peers`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
