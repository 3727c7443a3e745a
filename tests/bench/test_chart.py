"""The chart of the README is the one of the published tables."""

from __future__ import annotations

import re

import pytest

from chart import TITLES, bar_chart, read_tables
from tests.project.conftest import ROOT

pytestmark = pytest.mark.unit

BENCHMARKS = ROOT / "docs" / "benchmarks"


def test_the_published_chart_is_drawn_from_the_published_tables() -> None:
    drawn = bar_chart(read_tables((BENCHMARKS / "dataplane.md").read_text()))
    assert (BENCHMARKS / "dataplane.svg").read_text() == drawn


def test_a_bar_is_as_long_as_its_figure() -> None:
    svg = bar_chart({title: {"Warren": 4.0, "wireguard-go": 2.0} for title in TITLES})
    widths = [float(width) for width in re.findall(r'<rect [^>]* width="([\d.]+)"', svg)]
    assert widths == [widths[0], widths[0] / 2] * len(TITLES)


def test_a_file_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no table with figures of TCP single, TCP -R, TCP -P 4, UDP"):
        read_tables("| a | b |\n| - | - |\n")
