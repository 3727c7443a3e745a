"""Check that the memory for the agent's keys is locked, and report where the host does not lock it (H-77).

Only pages that hold keys are locked. The usual limit of 8 MiB is enough for 260,000 keys. CAP_IPC_LOCK, which an
agent started by root keeps, lifts it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from warren._core import key_memory
from warren.agent.subsystem import Subsystem
from warren.errors import HostError
from warren.telemetry.conditions import Condition

log = logging.getLogger(__name__)


def check_key_memory(*, required: bool) -> None:
    """Log a warning if keys can reach the disk. Call it after privileges have been dropped.

    Raises HostError instead where locked memory is `required`.
    """
    if (error := _error()) is None:
        return
    if required:
        raise error
    log.warning(error.code, extra={"reason": str(error), "hint": error.hint})


def key_memory_subsystem() -> Subsystem:
    """Return the subsystem that reports memory for keys that is not locked."""
    return Subsystem("key memory", conditions=_conditions)


def _conditions() -> Iterator[Condition]:
    if (error := _error()) is not None:
        yield Condition.of_error(error, "key_memory.unlocked")


def _error() -> HostError | None:
    memory = key_memory()
    if memory.refusal is None:
        return None
    open_bytes = memory.mapped_bytes - memory.locked_bytes
    problem = f"{open_bytes} octets of memory for keys are not protected: {memory.refusal}"
    return HostError(problem, code="key_memory.unlocked", errno=memory.errno)
