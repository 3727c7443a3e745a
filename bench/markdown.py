"""Tables as Markdown has them, aligned so that they can be read as they are."""

from __future__ import annotations

from collections.abc import Sequence

NOTHING = "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Figures between a first and a last column of words. A shorter row is filled up."""
    filled = [[*row, *[""] * (len(head) - len(row))] for row in rows]
    widths = [max(len(row[column]) for row in [head, *filled]) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:-1]), "-" * widths[-1]]
    return "\n".join(_line(row, widths) for row in [head, rule, *filled])


def number(value: float | None, digits: int = 2) -> str:
    """A figure, or the sign that there is none."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    last = len(row) - 1
    cells = (
        cell.ljust(width) if column in {0, last} else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"| {' | '.join(cells)} |"
