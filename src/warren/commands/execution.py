"""One execution of a command, and the handlers of its effects: shared by the executor and by every handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from warren.commands.command import VerifiedCommand
from warren.commands.dry_run import DryRun
from warren.commands.effects.effect import Effect
from warren.commands.effects.programs import ProgramResult
from warren.commands.result import EMPTY_SHA256, NOT_RUN, Result
from warren.commands.verb import Verb, VerbContext
from warren.strictjson import encode

LEVELS = ("L3", "L2", "L1", "L0")
"""Strongest first."""


@dataclass(slots=True)
class Execution:
    """The state of one command while its verb runs."""

    command: VerifiedCommand
    verb: Verb
    context: VerbContext
    deadline: float
    """The end of its time limit, in seconds of the monotonic clock."""
    on_output: Callable[[bytes], None] | None = None
    args: Mapping[str, object] = field(default_factory=dict)
    """The arguments; the secret ones are sealed until the part of the verb begins that needs them."""
    secrets: tuple[bytes, ...] = ()
    """The octets that are masked in everything that leaves."""
    rc: int = NOT_RUN
    stdout: list[bytes] = field(default_factory=list)
    truncated: bool = False
    stderr_hash: str = EMPTY_SHA256
    level: str | None = None
    dry_run_effects: list[str] | None = None
    """The effects requested so far, in a dry run; None in a real one."""
    cleanup: ExitStack = field(default_factory=ExitStack)
    """Closed when the command ends, however it does."""

    @property
    def is_dry_run(self) -> bool:
        """True if only effects that read are performed."""
        return self.dry_run_effects is not None

    def record_program(self, result: ProgramResult) -> None:
        """Record a program's outcome: the last exit status counts, and the weakest sandbox."""
        self.rc, self.stderr_hash = result.rc, result.stderr_sha256
        self.stdout.append(result.stdout)
        self.truncated |= result.truncated
        self.level = max(self.level or LEVELS[0], result.level, key=LEVELS.index)

    def merge_result(self, result: Result) -> None:
        """Record the programs that the privileged process ran for this command as if they had run here."""
        self.rc, self.stderr_hash, self.level = result.rc, result.stderr_hash, result.level
        if result.stdout and result.stdout != encode(dict(result.data)).decode():
            self.stdout.append(result.stdout.encode())

    def merge_dry_run(self, dry_run: DryRun) -> None:
        """Record the effects of the privileged part."""
        if self.dry_run_effects is not None:
            self.dry_run_effects += [f"as root: {effect}" for effect in dry_run.effects]


Handler = Callable[[Any, Execution], Awaitable[object]]
"""Performs one kind of effect and returns its outcome. Raises EffectError or CommandError into the verb."""
Handlers = Mapping[type[Effect[Any]], Handler]
