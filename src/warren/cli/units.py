"""Ages and sizes in the words of wg(8)."""

from __future__ import annotations

AGES = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
SIZES = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
STEP = 1024


def ago(seconds: float | None) -> str:
    """`12 seconds ago`, `2 hours, 5 minutes ago`, `never`: the two largest units that are not zero."""
    if seconds is None:
        return "never"
    rest, parts = int(seconds), []
    for noun, length in AGES:
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {noun}" + ("" if count == 1 else "s"))
    return f"{', '.join(parts[:2])} ago" if parts else "now"


def octets(count: int) -> str:
    """`148 B`, `1.21 MiB`."""
    if count < STEP:
        return f"{count} B"
    size = float(count)
    for unit in SIZES:
        size /= STEP
        if size < STEP or unit == SIZES[-1]:
            break
    return f"{size:.2f} {unit}"
