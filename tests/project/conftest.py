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
    """What git would keep of this tree, somewhere else. Its files are links to those of a copy that no test changes."""

    root: Path

    def plant(self, path: str, text: str) -> None:
        """Append to a file, or make it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text() if file.exists() else ""
        file.unlink(missing_ok=True)  # never through the link
        file.write_text(before + text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a tool of this environment in the copy, which it sees before the installed package."""
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
        }
        return subprocess.run(words, cwd=self.root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it stands, in a repository of its own: copied once."""
    root = tmp_path_factory.mktemp("pristine") / "tree"
    for name in listed(ROOT):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


@pytest.fixture
def tree(pristine: Path, tmp_path: Path) -> Tree:
    """A tree of the test's own, which costs a link for each file."""
    return Tree(shutil.copytree(pristine, tmp_path / "tree", copy_function=os.link))
