"""The table of all effect handlers: a row per kind of effect, and which process performs it.

A kind of effect is added as a module of `effects/`, a module here with `handlers(resources)`, and a row below.
"""

from __future__ import annotations

from collections.abc import Callable

from warren.commands.execution import Handlers
from warren.commands.handlers import (
    agent,
    containers,
    events,
    files,
    host,
    locks,
    openvpn,
    passwords,
    programs,
    records,
    system,
)
from warren.commands.handlers.resources import Resources

Factory = Callable[[Resources], Handlers]

UNPRIVILEGED: tuple[Factory, ...] = (
    agent.handlers,
    events.handlers,
    files.handlers,
    host.handlers,
    records.handlers,
    system.handlers,
)
"""Performed by every process."""
PRIVILEGED: tuple[Factory, ...] = (
    containers.handlers,
    locks.handlers,
    openvpn.handlers,
    passwords.handlers,
    programs.handlers,
)
"""Performed by the runner alone if there is one, else by the agent: everything that changes the host."""


def handlers(resources: Resources, *, privileged: bool) -> Handlers:
    """Return the handlers of one process."""
    factories = (*UNPRIVILEGED, *PRIVILEGED) if privileged else UNPRIVILEGED
    return {effect: handler for factory in factories for effect, handler in factory(resources).items()}
