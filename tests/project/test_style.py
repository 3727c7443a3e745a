"""ruff and mypy refuse by name what the house rules forbid."""

from __future__ import annotations

import shutil

import pytest

import warren._core
from tests.project.conftest import Tree

pytestmark = pytest.mark.integration

PLAN = "src/warren/tunnel/plan.py"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import time\nNOW = time.time()\n", "TID251"),
        ("import time\nNOW = time.monotonic()\n", "TID251"),
        ("import datetime\nNOW = datetime.datetime.now(datetime.UTC)\n", "TID251"),
        ("import asyncio\nTASK = asyncio.create_task\n", "TID251"),
        ("import subprocess\nsubprocess.run('ip link', shell=True, check=True)\n", "S602"),
        ("try:\n    pass\nexcept Exception:\n    pass\n", "BLE001"),
    ],
)
def test_ruff_rejects_planted_code(tree: Tree, text: str, rule: str) -> None:
    tree.plant("src/warren/tunnel/planted.py", text)
    done = tree.run("ruff", "check", "--output-format", "concise", "src/warren/tunnel/planted.py")
    assert done.returncode == 1
    assert f" {rule} " in done.stdout


def test_ruff_rejects_another_format(tree: Tree) -> None:
    tree.plant(PLAN, "\nx  =  1\n")
    assert tree.run("ruff", "format", "--check", PLAN).returncode == 1


@pytest.mark.parametrize(
    ("platform", "text", "code"),
    [
        ("linux", "def planted(x):\n    return x\n", "no-untyped-def"),
        ("win32", "import os\nUSER = os.geteuid()\n", "attr-defined"),
        ("darwin", "import os\nFLAG = os.O_TMPFILE\n", "attr-defined"),
    ],
)
def test_mypy_rejects_planted_code(tree: Tree, platform: str, text: str, code: str) -> None:
    tree.plant("src/warren/planted.py", text)
    done = tree.run("mypy", "--platform", platform, "src/warren/planted.py")
    assert f"[{code}]" in done.stdout


def test_stubtest_finds_name_missing_in_the_extension(tree: Tree) -> None:
    shutil.copy2(warren._core.__file__, tree.root / "src" / "warren")
    tree.plant("src/warren/_core.pyi", "\ndef planted() -> int: ...\n")
    done = tree.run("python", "-m", "mypy.stubtest", "warren._core")
    assert done.returncode == 1
    assert "warren._core.planted is not present at runtime" in done.stdout
