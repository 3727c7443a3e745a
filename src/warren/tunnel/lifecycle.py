"""The lifecycle of a network: its states, and the events that lead from one to another (H-38).

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


class LifecycleEvent(enum.Enum):
    """An event that moves a network to another state."""

    START = "connect"
    UP = "come up"
    FAILED = "fail"
    STOP = "disconnect"
    GONE = "end"


RUNNING = (State.STARTING, State.ACTIVE)

_S, _E = State, LifecycleEvent
TRANSITIONS = {
    (_S.UNINITIALIZED, _E.START): _S.STARTING,
    (_S.STOPPED, _E.START): _S.STARTING,
    (_S.ERROR, _E.START): _S.STARTING,
    (_S.STARTING, _E.UP): _S.ACTIVE,
    (_S.STARTING, _E.FAILED): _S.ERROR,
    (_S.ACTIVE, _E.FAILED): _S.ERROR,
    (_S.STARTING, _E.STOP): _S.STOPPING,
    (_S.ACTIVE, _E.STOP): _S.STOPPING,
    (_S.STOPPING, _E.GONE): _S.STOPPED,
    (_S.STOPPING, _E.FAILED): _S.ERROR,
}


def after(state: State, event: LifecycleEvent, network: str) -> State:
    """Return the state that follows. Raises StateError, which names the network, if `event` is not possible."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise StateError(f"network {network} is {state}: it cannot {event.value}", code="network.invalid_state")
    return following
