"""One action of the control socket, as the subsystem that owns it registers it.

A row holds all that the rest of the agent has to know of an action: the router dispatches by its name, checks its
permission and logs its event; `docs/guide/agent.md` takes its description from the docstring of `run`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from warren.local_client import Client
from warren.localapi.messages import Request

Data = dict[str, object]


@dataclass(frozen=True, slots=True)
class Stream:
    """The data of a response after which the connection carries the bytes of another descriptor, which it closes."""

    data: Data
    descriptor: int


Run = Callable[[Request, Client, float], Awaitable[Data | Stream]]
"""Takes the request, its client, and the time in seconds since the Unix epoch. Raises WarrenError."""


def no_interim_data(_request: Request) -> Data | None:
    """Return None: the response waits until the action has finished."""
    return None


@dataclass(frozen=True, slots=True)
class Action:
    """An action that clients of the control socket can request."""

    name: str
    run: Run
    read_only: bool = False
    """True if members of the read group may request it; every other action is for administrators (H-40)."""
    takes_config: bool = False
    """True if its request may have a `config`."""
    event: str | None = None
    """The log event that records each request for it, for actions that change something."""
    interim_data: Callable[[Request], Data | None] = no_interim_data
    """Returns the data to respond with while the action still runs; None if the client has to wait for its end."""
