"""Each import contract fails by name where one forbidden import is planted."""

from __future__ import annotations

import pytest

from tests.project.conftest import Tree

pytestmark = pytest.mark.integration

LAYERS = "layers: each imports only what stands below it"
PURE = "pure outside io: no socket, file, process, clock or event loop"
PROTECTED = "io is protected: only the composition roots and other io reach it"
COMMANDS = "commands: pipeline, handlers and store above the values that they share"
STORE = "command store: its parts are private"
ALL = (LAYERS, PURE, PROTECTED, COMMANDS, STORE)


def verdicts(tree: Tree) -> dict[str, bool]:
    """Which contracts hold, by name."""
    said = tree.run("lint-imports", "--no-cache").stdout
    kept = {name: f"{name} KEPT" in said for name in ALL}
    assert all(held or f"{name} BROKEN" in said for name, held in kept.items()), said
    return kept


def test_tree_keeps_every_import_contract(tree: Tree) -> None:
    assert verdicts(tree) == dict.fromkeys(ALL, True)


@pytest.mark.parametrize(
    ("path", "line", "broken"),
    [
        ("src/warren/errors.py", "from warren.tunnel import plan", LAYERS),
        ("src/warren/tunnel/plan.py", "import warren.cli", LAYERS),
        ("src/warren/errors.py", "from warren import clock", LAYERS),
        ("src/warren/stranger/__init__.py", "", LAYERS),
        ("src/warren/tunnel/plan.py", "import socket", PURE),
        ("src/warren/tunnel/plan.py", "import asyncio", PURE),
        ("src/warren/tunnel/plan.py", "from time import monotonic", PURE),
        ("src/warren/tunnel/plan.py", "from pathlib import Path", PURE),
        ("src/warren/tunnel/plan.py", "import warren.tunnel.io", PROTECTED),
        ("src/warren/commands/execution.py", "from warren.commands import registry", COMMANDS),
        ("src/warren/commands/handlers/files.py", "from warren.commands.store import database", STORE),
        ("src/warren/tunnel/plan.py", "from warren.files import atomic", PROTECTED),
    ],
)
def test_planted_import_breaks_only_its_contract(tree: Tree, path: str, line: str, broken: str) -> None:
    tree.plant(path, f"\n{line}\n")
    assert verdicts(tree) == {name: name != broken for name in ALL}
