"""Remove the agent's control socket from a directory that only root can write."""

from __future__ import annotations

import stat
from dataclasses import dataclass

from warren.privsep.io.helper_state import HelperState, as_key_file_error, root_directory
from warren.privsep.operation import Operation
from warren.privsep.wire import NOTHING


@dataclass(frozen=True, slots=True)
class RemoveSocket:
    """Remove the agent's control socket."""


def remove_control_socket(state: HelperState, _: RemoveSocket) -> None:
    """Remove the socket of the rules, if it is one and belongs to root or to the agent's user. Raises KeyFileError."""
    path = state.rules.socket
    with as_key_file_error(str(path)), root_directory(path.parent) as directory:
        status = directory.status(path.name)
        if stat.S_ISSOCK(status.st_mode) and status.st_uid in state.rules.owners:
            directory.remove(path.name)


REMOVE_SOCKET = Operation(RemoveSocket, {}, remove_control_socket, NOTHING)
