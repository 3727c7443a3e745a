"""Connect to the runner that is a unit of its own. The agent imports this, and nothing of what a runner is."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from warren.errors import HostError
from warren.files.unix_socket import open_socket, peer_credentials
from warren.privsep.io.service_user import ROOT


def connect_runner(path: Path) -> int:
    """Return the descriptor of a connection to the runner that listens at `path`.

    Raises HostError `runner.unavailable` if there is none, or none that is root's.
    """
    with ExitStack() as undo:
        connection = undo.enter_context(open_socket())
        try:
            connection.connect(str(path))
        except OSError as error:
            problem = f"no runner listens at {path}: {error.strerror}"
            raise HostError(problem, code="runner.unavailable", errno=error.errno) from error
        if peer_credentials(connection).uid != ROOT:
            raise HostError(f"the process that listens at {path} is not root's", code="runner.unavailable")
        undo.pop_all()
        return connection.detach()
