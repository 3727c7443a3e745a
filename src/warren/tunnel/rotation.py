"""Rotation of a private key in two steps, whose only state is the key files (H-37).

    PATH                      in use
    PATH.next                 prepared: the peers need its public key; nothing changes on the wire
    PATH.previous             the former key, until a handshake with the new key

    steady ─ prepare ─> prepared ─ commit ─> committed ─ confirm ─> steady
       ^                   │                     │
       └────── abort ──────┴───────── abort ─────┘

Each file step is one change of a directory. Wherever a plan is interrupted, PATH is a whole key, the old or the new
one, and repeating the request completes it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from warren._core import PublicKey
from warren.errors import StateError
from warren.tunnel.status import PeerStatus


class Stage(enum.StrEnum):
    """The stage of a rotation."""

    STEADY = "steady"
    PREPARED = "prepared"
    COMMITTED = "committed"


class Step(enum.StrEnum):
    """A step of a rotation. `CONFIRM` is for the first handshake with the new key, `RECOVER` for a start."""

    PREPARE = "prepare"
    COMMIT = "commit"
    ABORT = "abort"
    CONFIRM = "confirm"
    RECOVER = "recover"


class FileStep(enum.Enum):
    """One change of a directory, which the kernel makes whole or not at all."""

    CREATE_NEXT = "write a new key to PATH.next"
    REMOVE_NEXT = "remove PATH.next"
    LINK_PREVIOUS = "hard-link PATH.previous to PATH"
    SWITCH = "rename PATH.next to PATH"
    RESTORE_PREVIOUS = "rename PATH.previous to PATH"
    REMOVE_PREVIOUS = "remove PATH.previous"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The public keys of the files; None is no file."""

    current: PublicKey
    next: PublicKey | None = None
    previous: PublicKey | None = None

    @property
    def stage(self) -> Stage:
        """Return the stage. A previous key that equals the current one was kept for a switch that did not happen."""
        if self.previous not in (None, self.current):
            return Stage.COMMITTED
        return Stage.STEADY if self.next is None else Stage.PREPARED


def plan_rotation(step: Step, files: KeyFiles) -> tuple[FileStep, ...]:
    """Return the file steps of `step`; none if its outcome exists already. Raises StateError if it is not possible."""
    unused = (FileStep.REMOVE_PREVIOUS,) if files.previous == files.current else ()
    match step, files.stage:
        case Step.PREPARE, Stage.STEADY:
            return (*unused, FileStep.CREATE_NEXT)
        case Step.COMMIT, Stage.PREPARED:
            return (*unused, FileStep.LINK_PREVIOUS, FileStep.SWITCH)
        case Step.ABORT, Stage.PREPARED:
            return (*unused, FileStep.REMOVE_NEXT)
        case Step.ABORT, Stage.COMMITTED:
            return (FileStep.RESTORE_PREVIOUS,)
        case Step.CONFIRM, Stage.COMMITTED:
            return (FileStep.REMOVE_PREVIOUS,)
        case (Step.RECOVER | Step.CONFIRM, _) | (Step.PREPARE, Stage.PREPARED) | (Step.COMMIT, Stage.COMMITTED):
            return unused
        case Step.PREPARE, _:
            problem = "the key was switched and no handshake has confirmed it yet: wait for one, or abort"
        case _:
            problem = f"no new key is prepared: there is nothing to {step}"
    raise StateError(problem, code="rotation.invalid_step")


def is_confirmed(switched: Sequence[PeerStatus], peers: Sequence[PeerStatus]) -> bool:
    """Return True if there was a handshake between two observations.

    `switched` is the first observation after the switch to the new key.
    """
    before = {peer.public_key: peer.latest_handshake for peer in switched}
    return any(peer.latest_handshake not in (None, before.get(peer.public_key)) for peer in peers)
