"""Only `warren.cli.output` prints: it makes the control characters of others visible."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.printing import places, unused
from tests.project.conftest import ROOT

pytestmark = [pytest.mark.unit, pytest.mark.security]


def test_no_other_module_prints() -> None:
    assert list(places(ROOT)) == []


def test_each_exemption_of_printing_is_needed() -> None:
    assert list(unused(ROOT)) == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("print('x')", "print"),
        ("import sys; sys.stdout.write('x')", "sys.stdout"),
        ("import sys; print_to = sys.stderr", "sys.stderr"),
        ("from sys import stdout", "sys.stdout"),
        ("import click; click.echo('x')", "echo"),
        ("import traceback; traceback.print_exc()", "print_exc"),
        ("from rich.console import Console; Console()", "Console"),
    ],
)
def test_a_planted_print_is_found(tmp_path: Path, line: str, name: str) -> None:
    module = tmp_path / "src/warren/cli/planted.py"
    module.parent.mkdir(parents=True)
    module.write_text(f"{line}\n")
    assert f"src/warren/cli/planted.py:1: {name} is for warren.cli.output alone" in list(places(tmp_path))
