"""The states of a network, exhaustively (H-38)."""

from __future__ import annotations

from itertools import product

import pytest

from warren.errors import StateError
from warren.tunnel.lifecycle import LifecycleEvent, State, after

pytestmark = pytest.mark.unit
DOWN = (State.UNINITIALIZED, State.STOPPED, State.ERROR)
UP = (State.STARTING, State.ACTIVE)


@pytest.mark.parametrize(("state", "step"), [*product(State, LifecycleEvent)])
def test_every_step_in_every_state(state: State, step: LifecycleEvent) -> None:
    """Start only what is down, stop only what is up or coming up, and end only what was told to."""
    following = {
        LifecycleEvent.START: State.STARTING if state in DOWN else None,
        LifecycleEvent.UP: State.ACTIVE if state is State.STARTING else None,
        LifecycleEvent.FAILED: State.ERROR if state in (*UP, State.STOPPING) else None,
        LifecycleEvent.STOP: State.STOPPING if state in UP else None,
        LifecycleEvent.GONE: State.STOPPED if state is State.STOPPING else None,
    }[step]
    if following is None:
        with pytest.raises(StateError, match=f"network home is {state}: it cannot {step.value}"):
            after(state, step, "home")
    else:
        assert after(state, step, "home") is following


def test_the_words_are_those_of_the_control_socket() -> None:
    assert {state.value for state in State} == {
        "uninitialized",
        "starting",
        "active",
        "stopping",
        "stopped",
        "error",
    }
