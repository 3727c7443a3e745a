"""Only `warren.files` opens files: it has the one safe way for each read and each change."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.files import places, undecided, unused
from tests.project.conftest import ROOT

pytestmark = [pytest.mark.unit, pytest.mark.security]


def test_no_other_module_opens_a_file() -> None:
    assert list(places(ROOT)) == []


def test_every_call_names_why_root_may_open_a_path() -> None:
    assert list(undecided(ROOT)) == []


def test_a_planted_call_without_trust_is_found(tmp_path: Path) -> None:
    assert list(undecided(planted(tmp_path, "remove_file(path, trust=None)"))) == [
        "src/warren/tunnel/io/planted.py:1: trust=None; expected process_trust() or NAMED_BY_USER"
    ]


def test_each_exemption_is_needed() -> None:
    assert list(unused(ROOT)) == []


def planted(root: Path, line: str) -> Path:
    """Return a tree with one module outside of `warren.files`."""
    module = root / "src/warren/tunnel/io/planted.py"
    module.parent.mkdir(parents=True)
    module.write_text(f"{line}\n")
    return root


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("import os; os.open('/x', os.O_WRONLY)", "os.open"),
        ("import os; os.replace('/x', '/y')", "os.replace"),
        ("from os import fsync; fsync(3)", "fsync"),
        ("import os; os.chown('/x', 0, 0)", "os.chown"),
        ("import fcntl; fcntl.flock(3, 2)", "fcntl.flock"),
        ("import tempfile", "tempfile"),
        ("from tempfile import mkstemp", "tempfile"),
        ("import shutil; shutil.rmtree('/x')", "shutil.rmtree"),
        ("from pathlib import Path; Path('/x').write_text('')", "Path('/x').write_text"),
        ("from pathlib import Path; Path('/x').open('wb')", "Path('/x').open"),
        ("from pathlib import Path; Path('/x').open(mode='r+')", "Path('/x').open"),
        ("from pathlib import Path; Path('/x').rename('/y')", "Path('/x').rename"),
        ("open('/x', 'a')", "open"),
        ("open('/x')", "open"),
        ("from pathlib import Path; Path('/x').open('rb')", "Path('/x').open"),
        ("from pathlib import Path; Path('/x').open(encoding='ascii')", "Path('/x').open"),
        ("from pathlib import Path; Path('/x').read_text()", "Path('/x').read_text"),
        ("from pathlib import Path; Path('/x').read_bytes()", "Path('/x').read_bytes"),
        ("from pathlib import Path; Path('/x').iterdir()", "Path('/x').iterdir"),
        ("import os; os.listdir('/x')", "os.listdir"),
    ],
)
def test_a_planted_change_is_found(tmp_path: Path, line: str, call: str) -> None:
    assert list(places(planted(tmp_path, line))) == [
        f"src/warren/tunnel/io/planted.py:1: {call} is for warren.files alone"
    ]


@pytest.mark.parametrize(
    "line",
    ["'a'.replace('b', 'c')", "Device.open(name, driver)", "Netlink.open()", "secret.open().decode()", "path.exists()"],
)
def test_what_opens_no_file_by_its_path_is_allowed(tmp_path: Path, line: str) -> None:
    assert list(places(planted(tmp_path, line))) == []
