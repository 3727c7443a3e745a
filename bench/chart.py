"""A bar chart of the data plane, as SVG, drawn from the tables that `make bench-dataplane` prints.

`python bench/chart.py docs/benchmarks/dataplane.md docs/benchmarks/dataplane.svg` draws the published figures again.
The colors work on a light and on a dark page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

ENGINES = {
    "Warren": "#2f81f7",
    "wireguard-go": "#8b949e",
    "boringtun-cli": "#a98b5c",
    "gotatun-cli": "#7d8f69",
}
"""The engines in the chart and the color of each."""
TITLES = {
    "TCP single": "one TCP stream",
    "TCP -R": "one TCP stream, reversed",
    "TCP -P 4": "four TCP streams",
    "UDP": "UDP",
}
"""The tables in the chart, by the name that heads each, and what the reader is told."""

WIDTH, LABEL, VALUE = 760, 190, 60
BAR, GAP, GROUP = 16, 4, 22
TEXT = "#7d8590"
Figures = Mapping[str, Mapping[str, float]]
"""Gb/s received, by the name of the table and of the engine."""


def main(arguments: Sequence[str]) -> int:
    """Draw the tables of one file into another."""
    source, target = map(Path, arguments)
    target.write_text(bar_chart(read_tables(source.read_text())))
    return 0


def read_tables(text: str) -> Figures:
    """Return the figures of the first table of each name in `TITLES`. Raises ValueError where one is missing."""
    figures: dict[str, dict[str, float]] = {}
    name = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            name = ""
        elif len(cells) > 1 and cells[1] == "Gb/s received":
            name = cells[0] if cells[0] not in figures else ""
            figures.setdefault(cells[0], {})
        elif name and cells[0] in ENGINES and re.fullmatch(r"[\d.]+", cells[1]):
            figures[name][cells[0]] = float(cells[1])
    if missing := [title for title in TITLES if title not in figures]:
        raise ValueError(f"no table with figures of {', '.join(missing)}")
    return {title: figures[title] for title in TITLES}


def bar_chart(figures: Figures) -> str:
    """Return the chart: a group of bars for each table, the longest bar as wide as the page."""
    most = max(value for engines in figures.values() for value in engines.values())
    scale = (WIDTH - LABEL - VALUE) / most
    parts: list[str] = []
    y = 24
    for mode, engines in figures.items():
        parts.append(_text(0, y, TITLES[mode], weight="600"))
        y += 8
        for engine, value in engines.items():
            width = max(value * scale, 1.0)
            parts.append(_text(LABEL - 10, y + BAR - 4, engine, anchor="end"))
            parts.append(
                f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{ENGINES[engine]}"/>'
            )
            parts.append(_text(LABEL + width + 6, y + BAR - 4, f"{value:.2f}"))
            y += BAR + GAP
        y += GROUP
    parts.append(_text(0, y, "Gb/s received; longer is faster"))
    height = y + 10
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="ui-sans-serif, system-ui, sans-serif" font-size="13" fill="{TEXT}" role="img" '
        f'aria-label="Throughput of Warren and other userspace WireGuard implementations">\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
