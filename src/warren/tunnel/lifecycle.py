"""The states of a network, and which may follow which (H-38).

uninitialized ─┐            ┌─ failed ──> error ──┐
stopped ───────┼─ start ─> starting ─ up ─> active │
error ─────────┘            └────── stop ─────┴─> stopping ─ gone ─> stopped
"""

from __future__ import annotations

import enum

from warren.errors import StateError


class State(enum.StrEnum):
    """What a network is doing, in the words of the control socket."""

    UNINITIALIZED = "uninitialized"
    STARTING = "starting"
    ACTIVE = "active"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ERROR = "error"


class Step(enum.Enum):
    """What can happen to it."""

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
    """The state that follows. Raises StateError, naming the network, where `step` cannot happen."""
    following = TRANSITIONS.get((state, step))
    if following is None:
        raise StateError(f"network {network} is {state}: it cannot {step.value}", code="network.invalid_state")
    return following
