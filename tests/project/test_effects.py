"""Each effect has a handler, and a new kind of effect is two modules of its own and one row of the table."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands.commands import settings
from tests.project.conftest import Tree
from warren.audit.event import Origin
from warren.commands import effects
from warren.commands.effects.effect import Effect
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.handlers.host import HostMetrics
from warren.commands.handlers.resources import AgentQueries, Resources
from warren.commands.handlers.table import handlers
from warren.commands.pipeline.executor import Executor
from warren.commands.store.command_store import CommandStore

EFFECT = '''"""Effects of the example."""

from dataclasses import dataclass

from warren.commands.effects.effect import Effect


@dataclass(frozen=True, slots=True)
class Greet(Effect[str]):
    """Return a greeting."""

    name: str
'''
HANDLER = '''"""Performs the effects of the example."""

from warren.commands.effects.example import Greet
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.resources import Resources


def handlers(_: Resources) -> Handlers:
    """Return the handler."""
    return {Greet: greet}


async def greet(effect: Greet, _: Execution) -> str:
    """Return a greeting."""
    return f"hello {effect.name}"
'''
ROW = """
from warren.commands.handlers import example
UNPRIVILEGED = (*UNPRIVILEGED, example.handlers)
"""
PROGRAM = """
import asyncio
from pathlib import Path
from warren.audit.event import Origin
from warren.commands.effects.effect import do
from warren.commands.effects.example import Greet
from warren.commands.handlers.resources import Resources
from warren.commands.handlers.table import handlers
from warren.commands.pipeline.executor import Executor
from warren.commands.settings import CommandSettings, SecuritySettings
from warren.commands.store.command_store import CommandStore

settings = CommandSettings(SecuritySettings("", ""), "", "")
resources = Resources(settings, CommandStore(Path("/nowhere"), Origin("node-1")), lambda *_: None)
executor = Executor("node-1", settings, handlers(resources, privileged=False), lambda *_: b"", lambda _: None)
print(asyncio.run(executor.run_internal(lambda _: do(Greet("ada")))))
"""


def _effects() -> set[type[Effect[Any]]]:
    modules = [
        importlib.import_module(f"{effects.__name__}.{module.name}")
        for module in pkgutil.iter_modules(effects.__path__)
    ]
    values = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {value for value in values if issubclass(value, Effect) and value is not Effect}


@pytest.mark.unit
def test_every_effect_has_a_handler_in_the_table() -> None:
    queries = AgentQueries(HostMetrics(30), dict, lambda _: ())
    resources = Resources(settings(), CommandStore(Path("/nowhere"), Origin("node-1")), lambda *_: None, queries)
    table = handlers(resources, privileged=True)
    assert _effects() == {*table, RunPrivileged}
    executor = Executor("node-1", settings(), table, lambda *_: b"", lambda _: None)
    assert RunPrivileged in executor._handlers, "the executor itself runs the privileged part without a runner"


@pytest.mark.integration
def test_new_kind_of_effect_needs_two_modules_and_one_row(tree: Tree) -> None:
    tree.plant("src/warren/commands/effects/example.py", EFFECT)
    tree.plant("src/warren/commands/handlers/example.py", HANDLER)
    tree.plant("src/warren/commands/handlers/table.py", ROW)
    done = tree.run("python", "-c", PROGRAM)
    assert done.stdout == "hello ada\n", done.stderr
