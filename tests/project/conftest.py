"""A copy of the tree in which a test may plant what must not be there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks.contents import listed

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Tree:
    """What git would keep of this tree, somewhere else."""

    root: Path

    def plant(self, path: str, text: str) -> None:
        """Append to a file, or make it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as opened:
            opened.write(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a tool of this environment in the copy, which it sees before the installed package."""
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
        }
        return subprocess.run(words, cwd=self.root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """The tree as it stands, committed to a repository of its own."""
    root = tmp_path / "tree"
    for name in listed(ROOT):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return Tree(root)
