"""The states of a network, and which may follow which (H-38).

uninitialized ─┐            ┌─ failed ──> error ──┐
stopped ───────┼─ start ─> starting ─ up ─> active │
error ─────────┘            └────── stop ─────┴─> stopping ─ gone ─> stopped
"""

from __future__ import annotations

import enum

from warren.errors import StateError


class State(enum.StrEnum):
    """The lifecycle state of a network, as the control socket names it."""

    UNINITIALIZED = "uninitialized"
    STARTING = "starting"
    ACTIVE = "active"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ERROR = "error"


class Step(enum.Enum):
    """An event that moves a network to another state."""

    START = "connect"
    UP = "come up"
    FAILED = "fail"
    STOP = "disconnect"
    GONE = "end"


RUNNING = (State.STARTING, State.ACTIVE)

_S = State
TRANSITIONS = {
    (_S.UNINITIALIZED, Step.START): _S.STARTING,
    (_S.STOPPED, Step.START): _S.STARTING,
    (_S.ERROR, Step.START): _S.STARTING,
    (_S.STARTING, Step.UP): _S.ACTIVE,
    (_S.STARTING, Step.FAILED): _S.ERROR,
    (_S.ACTIVE, Step.FAILED): _S.ERROR,
    (_S.STARTING, Step.STOP): _S.STOPPING,
    (_S.ACTIVE, Step.STOP): _S.STOPPING,
    (_S.STOPPING, Step.GONE): _S.STOPPED,
    (_S.STOPPING, Step.FAILED): _S.ERROR,
}


def after(state: State, step: Step, network: str) -> State:
    """Return the state that follows. Raises StateError, which names the network, if `step` is not possible."""
    following = TRANSITIONS.get((state, step))
    if following is None:
        raise StateError(f"network {network} is {state}: it cannot {step.value}", code="network.invalid_state")
    return following
