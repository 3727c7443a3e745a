"""What Python and `warren-sandbox` tell each other: an order, then what became of it, one line of JSON each."""

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
    """Whether nobody else is this user: whatever runs as it is part of this one run."""


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One run. Nothing in it is a secret: those go to standard input."""

    argv: tuple[str, ...]
    user: RunAs | None
    """None is the user that the agent is."""
    directory: str
    """Where it works if it cannot have a /tmp of its own: made for it and removed."""
    min_level: str
    deadline_seconds: float
    probe: bool = False
    """Nothing runs: what would be reached."""


class FailedStage(enum.StrEnum):
    """Which part of a run was refused."""

    DIRECTORY = "directory"
    LEVEL = "level"
    LIMITS = "limits"
    NETWORK = "network"
    ORDER = "order"
    PATHS = "paths"
    PROCESSES = "processes"
    PROGRAM = "program"
    SUPERVISOR = "supervisor"
    USER = "user"


class ExitKind(enum.StrEnum):
    """How a run ended."""

    EXITED = "exited"
    DEADLINE = "deadline"
    STOPPED = "stopped"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class SandboxLevel:
    """What holds for a program."""

    level: str = LEVELS[0]
    facts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order."""

    reached: SandboxLevel
    status: int
    how: ExitKind
    refusal: str | None = None
    part: FailedStage | None = None


def higher(one: str, other: str) -> str:
    """The stricter of two levels."""
    return max(one, other, key=LEVELS.index)


def encode_request(order: SandboxRequest, settings: SandboxSettings) -> bytes:
    """A line."""
    user = order.user
    fields = {
        "argv": list(order.argv),
        "probe": order.probe,
        "user": None
        if user is None
        else {"uid": user.uid, "gid": user.gid, "groups": list(user.groups), "exclusive": user.exclusive},
        "directory": order.directory,
        "writable": list(settings.writable),
        "network": settings.network,
        "min_level": LEVELS.index(order.min_level),
        "deadline_ms": max(0, round(order.deadline_seconds * 1000)),
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
    """Of all that it said. Raises EffectError where the end is missing: then it was killed itself."""
    said: dict[str, dict[str, object]] = {}
    for line in lines:
        said.update(json.loads(line))
    reached = _reached(said.get("reached"))
    refused = said.get("refused")
    if refused is not None:
        part = FailedStage(str(refused["part"]))
        return Outcome(reached, 127, ExitKind.EXITED, str(refused["problem"]), part)
    ended = said.get("ended")
    if ended is None:
        raise EffectError("the sandbox was killed: whatever ran in it is gone, and nobody knows how far it was")
    return Outcome(reached, _number(ended["status"]), ExitKind(str(ended["how"])))


def verify_outcome(outcome: Outcome, what: str, deadline_seconds: float) -> None:
    """Raises CommandError or EffectError for a run that was refused, or did not end by itself."""
    match outcome.part:
        case None:
            pass
        case FailedStage.LEVEL | FailedStage.NETWORK:
            raise CommandError(Code.POLICY_DENIED, f"{what} has not run: {outcome.refusal}")
        case _:
            raise EffectError(f"{what} has not run: {outcome.refusal}")
    if outcome.how is ExitKind.DEADLINE:
        problem = f"{what} was ended after {deadline_seconds:g} s"
        raise CommandError(Code.EXEC_TIMEOUT, problem, Status.TIMEOUT)
    if outcome.how is not ExitKind.EXITED:
        raise CommandError(Code.CANCELLED, f"{what} was ended", Status.ERROR)


def _reached(fields: dict[str, object] | None) -> SandboxLevel:
    if fields is None:
        return SandboxLevel()
    facts = fields["facts"]
    return SandboxLevel(LEVELS[_number(fields["level"])], frozenset(map(str, facts if isinstance(facts, list) else ())))


def _number(value: object) -> int:
    if isinstance(value, int):
        return value
    raise EffectError("the sandbox is of another version of Warren")
