"""Effects on programs: each runs in a sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from warren.commands.effects.effect import Effect, Secret
from warren.commands.result import EMPTY_SHA256

NO_INPUT = Secret(b"")


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """The exit status and the output of a program that ended by itself."""

    rc: int
    """The exit status; 128 plus the signal's number if a signal ended it."""
    stdout: bytes
    """The beginning of standard output; see `truncated`."""
    stdout_sha256: str
    """The hash of all of it."""
    stderr_sha256: str
    stderr_tail: bytes = b""
    truncated: bool = False
    level: str = "L0"
    """The sandbox level that was reached: L0 to L3."""


@dataclass(frozen=True, slots=True)
class RunScript(Effect[ProgramResult]):
    """Run a script: `[scripts] name = path`, else one of `scripts_root`; checked before it runs (V-57, X-07).

    Raises:
        CommandError: SCRIPT_NOT_FOUND if there is none, EXEC_TIMEOUT at the deadline.
        EffectError: the script is not trusted: path not absolute, a component writable by others, wrong hash.
    """

    name: str
    arguments: tuple[str, ...] = ()
    stdin: Secret = NO_INPUT
    """The only place for secrets."""

    def simulated(self) -> object:
        return ProgramResult(0, b"", EMPTY_SHA256, EMPTY_SHA256)


@dataclass(frozen=True, slots=True)
class RunProgram(Effect[ProgramResult]):
    """Run a program by its absolute path, in the same sandbox as scripts."""

    argv: tuple[str, ...]
    stdin: Secret = NO_INPUT

    def simulated(self) -> object:
        return ProgramResult(0, b"", EMPTY_SHA256, EMPTY_SHA256)
