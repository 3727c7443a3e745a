"""Ages and sizes for people."""

from __future__ import annotations

AGES = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
SIZES = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
STEP = 1024


def format_age(seconds: float | None) -> str:
    """`12 seconds ago`, `2 hours ago`, `now`, `never`: the largest unit, not rounded up."""
    if seconds is None:
        return "never"
    for noun, length in AGES:
        if count := int(seconds // length):
            return f"{count} {noun}{'' if count == 1 else 's'} ago"
    return "now"


def format_bytes(count: int) -> str:
    """`148 B`, `1.2 MiB`."""
    if count < STEP:
        return f"{count} B"
    size = float(count)
    for unit in SIZES:
        size /= STEP
        if size < STEP or unit == SIZES[-1]:
            break
    return f"{size:.1f} {unit}"
