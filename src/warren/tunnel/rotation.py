"""Two steps to a new private key, whose state is the key files alone (H-37).

    PATH                      in use
    PATH.next                 prepared: its public key is told to the far side, on the wire nothing changes
    PATH.previous             what was in use before, until a handshake with the new key

    steady ─ prepare ─> prepared ─ commit ─> committed ─ confirm ─> steady
       ^                   │                     │
       └────── abort ──────┴───────── abort ─────┘

Each file step is one change of a directory. Wherever a plan ends early, PATH is a whole key, the old or the new one,
and the same request again leads on from there.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from warren._core import PublicKey
from warren.errors import StateError
from warren.tunnel.status import PeerStatus


class Stage(enum.StrEnum):
    """How far a rotation is."""

    STEADY = "steady"
    PREPARED = "prepared"
    COMMITTED = "committed"


class Step(enum.StrEnum):
    """What can be asked for. `CONFIRM` is for the first handshake with the new key, `RECOVER` for a start."""

    PREPARE = "prepare"
    COMMIT = "commit"
    ABORT = "abort"
    CONFIRM = "confirm"
    RECOVER = "recover"


class FileStep(enum.Enum):
    """One change of a directory, which the kernel makes whole or not at all."""

    MAKE_NEXT = "write a new key to PATH.next"
    DROP_NEXT = "remove PATH.next"
    KEEP_PREVIOUS = "link PATH.previous to what PATH is"
    SWITCH = "rename PATH.next to PATH"
    GO_BACK = "rename PATH.previous to PATH"
    DROP_PREVIOUS = "remove PATH.previous"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The public keys of what lies there; None is no file."""

    current: PublicKey
    next: PublicKey | None = None
    previous: PublicKey | None = None

    @property
    def stage(self) -> Stage:
        """What they say together. A previous key that is the current one was kept for a switch that did not come."""
        if self.previous not in (None, self.current):
            return Stage.COMMITTED
        return Stage.STEADY if self.next is None else Stage.PREPARED


def plan_rotation(step: Step, files: KeyFiles) -> tuple[FileStep, ...]:
    """What `step` takes; nothing where its outcome stands already. Raises StateError where it cannot be."""
    unused = (FileStep.DROP_PREVIOUS,) if files.previous == files.current else ()
    match step, files.stage:
        case Step.PREPARE, Stage.STEADY:
            return (*unused, FileStep.MAKE_NEXT)
        case Step.COMMIT, Stage.PREPARED:
            return (*unused, FileStep.KEEP_PREVIOUS, FileStep.SWITCH)
        case Step.ABORT, Stage.PREPARED:
            return (*unused, FileStep.DROP_NEXT)
        case Step.ABORT, Stage.COMMITTED:
            return (FileStep.GO_BACK,)
        case Step.CONFIRM, Stage.COMMITTED:
            return (FileStep.DROP_PREVIOUS,)
        case (Step.RECOVER | Step.CONFIRM, _) | (Step.PREPARE, Stage.PREPARED) | (Step.COMMIT, Stage.COMMITTED):
            return unused
        case Step.PREPARE, _:
            problem = "the key was changed and no handshake has confirmed it yet: wait for one, or abort"
        case _:
            problem = f"no new key is prepared: there is nothing to {step}"
    raise StateError(problem, code="rotation.invalid_step")


def is_confirmed(switched: Sequence[PeerStatus], peers: Sequence[PeerStatus]) -> bool:
    """True if there was a handshake between two looks, the first of which was after the switch to the new key."""
    before = {peer.public_key: peer.latest_handshake for peer in switched}
    return any(peer.latest_handshake not in (None, before.get(peer.public_key)) for peer in peers)
