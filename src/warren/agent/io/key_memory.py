"""The memory that the agent's keys lie in, and what follows where the host does not lock it (H-77).

Only pages that hold keys are locked, so the usual limit of 8 MiB is enough for some 260,000 keys; and beyond it counts
CAP_IPC_LOCK, which an agent that root has started keeps.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from warren._core import key_memory
from warren.errors import HostError
from warren.telemetry.conditions import Condition

log = logging.getLogger(__name__)


def check_key_memory(*, required: bool) -> None:
    """To be called once this process is who it stays: whether keys are kept off the disk. If not, that is logged.

    Raises HostError instead where it is `required`.
    """
    if (error := _error()) is None:
        return
    if required:
        raise error
    log.warning(error.code, extra={"reason": str(error), "hint": error.hint})


def key_memory_conditions() -> Iterator[Condition]:
    """That some key may be written to the disk, as long as it may."""
    if (error := _error()) is not None:
        yield Condition.of_error(error, "key_memory.unlocked")


def _error() -> HostError | None:
    memory = key_memory()
    if memory.refusal is None:
        return None
    open_bytes = memory.mapped_bytes - memory.locked_bytes
    problem = f"{open_bytes} octets of memory for keys are not as they should be: {memory.refusal}"
    return HostError(problem, code="key_memory.unlocked", errno=memory.errno)
