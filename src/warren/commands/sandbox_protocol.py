"""The messages between Python and `warren-sandbox`: a request, then reports, one line of JSON each."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from dataclasses import dataclass

from warren.commands.effects.effect import EffectError
from warren.commands.result import Code, CommandError, Status
from warren.commands.settings import SandboxSettings

LEVELS = ("L0", "L1", "L2", "L3")
STOP = b"stop\n"


@dataclass(frozen=True, slots=True)
class RunAs:
    """A user by numbers."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    exclusive: bool = False
    """True if no other process has this user: all its processes belong to this run."""


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One run. It holds no secret: secrets go to standard input."""

    argv: tuple[str, ...]
    user: RunAs
    directory: str
    """The working directory without a private /tmp; created for the run and removed."""
    min_level: str
    deadline_seconds: float
    probe: bool = False
    """Run nothing; only report the level that would be reached."""


class FailedStage(enum.StrEnum):
    """The stage at which a run failed."""

    DIRECTORY = "directory"
    LEVEL = "level"
    LIMITS = "limits"
    NETWORK = "network"
    PATHS = "paths"
    PROCESSES = "processes"
    PROGRAM = "program"
    REQUEST = "request"
    SUPERVISOR = "supervisor"
    SYSTEM_CALLS = "system_calls"
    USER = "user"


class ExitKind(enum.StrEnum):
    """How a run ended."""

    EXITED = "exited"
    DEADLINE = "deadline"
    STOPPED = "stopped"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class SandboxLevel:
    """The level of a sandbox and the facts that hold for the program in it."""

    level: str = LEVELS[0]
    facts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    level: SandboxLevel
    status: int
    kind: ExitKind
    problem: str | None = None
    stage: FailedStage | None = None


def higher(one: str, other: str) -> str:
    """Return the stricter of two levels."""
    return max(one, other, key=LEVELS.index)


def encode_request(request: SandboxRequest, settings: SandboxSettings) -> bytes:
    """Encode the request as one line."""
    user = request.user
    fields = {
        "argv": list(request.argv),
        "probe": request.probe,
        "user": {"uid": user.uid, "gid": user.gid, "groups": list(user.groups), "exclusive": user.exclusive},
        "directory": request.directory,
        "writable": list(settings.writable),
        "network": settings.network,
        "min_level": LEVELS.index(request.min_level),
        "deadline_ms": max(0, round(request.deadline_seconds * 1000)),
        "grace_ms": settings.grace_seconds * 1000,
        "limits": {
            "memory_bytes": settings.memory_bytes,
            "cpu_seconds": settings.cpu_seconds,
            "processes": settings.processes,
            "file_bytes": settings.file_bytes,
        },
    }
    return json.dumps(fields).encode() + b"\n"


def parse_outcome(lines: Iterable[bytes]) -> Outcome:
    """Return the outcome that the sandbox reported.

    Raises:
        EffectError: The sandbox was killed before it reported the end.
    """
    reported: dict[str, dict[str, object]] = {}
    for line in lines:
        reported.update(json.loads(line))
    level = _level(reported.get("sandbox_level"))
    failed = reported.get("failed")
    if failed is not None:
        stage = FailedStage(str(failed["stage"]))
        return Outcome(level, 127, ExitKind.EXITED, str(failed["problem"]), stage)
    exited = reported.get("exited")
    if exited is None:
        raise EffectError("the sandbox was killed with the program in it: outcome unknown")
    return Outcome(level, _number(exited["status"]), ExitKind(str(exited["kind"])))


def verify_outcome(outcome: Outcome, what: str, deadline_seconds: float) -> None:
    """Raise CommandError or EffectError for a run that failed or did not exit by itself."""
    match outcome.stage:
        case None:
            pass
        case FailedStage.LEVEL | FailedStage.NETWORK:
            raise CommandError(Code.POLICY_DENIED, f"{what} has not run: {outcome.problem}")
        case _:
            raise EffectError(f"{what} has not run: {outcome.problem}")
    if outcome.kind is ExitKind.DEADLINE:
        problem = f"{what} was ended after {deadline_seconds:g} s"
        raise CommandError(Code.EXEC_TIMEOUT, problem, Status.TIMEOUT)
    if outcome.kind is not ExitKind.EXITED:
        raise CommandError(Code.CANCELLED, f"{what} was ended", Status.ERROR)


def _level(fields: dict[str, object] | None) -> SandboxLevel:
    if fields is None:
        return SandboxLevel()
    facts = fields["facts"]
    return SandboxLevel(LEVELS[_number(fields["level"])], frozenset(map(str, facts if isinstance(facts, list) else ())))


def _number(value: object) -> int:
    if isinstance(value, int):
        return value
    raise EffectError("sandbox version mismatch: reinstall Warren")
