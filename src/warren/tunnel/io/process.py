"""The engine as a process, `warren-wg`, which outlives the process that started it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from warren._core import Netlink, uapi_set
from warren.errors import EngineError, HostError, RemoteError
from warren.tunnel.io.teardown import remove
from warren.tunnel.plan import InterfaceChange

PROGRAM = "warren-wg"
TIMEOUT_SECONDS = 10  # it answers within milliseconds
# With these it would stay in the foreground, keep our pipe open for its log, or use descriptors of this process.
NOT_INHERITED = frozenset(("LOG_LEVEL", "WG_PROCESS_FOREGROUND", "WG_TUN_FD", "WG_UAPI_FD"))


class WgProcess:
    """An `Engine` in a `warren-wg` process."""

    def __init__(self, name: str, netlink: Netlink) -> None:
        self.name = name
        self._netlink = netlink

    def create(self) -> None:
        """Start the program, which goes into the background once its socket answers. Raises HostError, EngineError."""
        try:
            done = subprocess.run(
                [find_program(), self.name],
                env={key: value for key, value in os.environ.items() if key not in NOT_INHERITED},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT_SECONDS,
                check=False,
                start_new_session=True,  # Ctrl-C is for this process, which removes the interface
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"{PROGRAM} did not answer in {TIMEOUT_SECONDS} s", code="engine.failed") from error
        if done.returncode != 0:
            message = done.stderr.decode(errors="replace").strip().removeprefix(f"{PROGRAM}: ")
            raise HostError(message or f"{PROGRAM} exited with status {done.returncode}", code="engine.refused")

    def configure(self, change: InterfaceChange) -> None:
        """Apply a change over the socket. Raises HostError if the port is in use."""
        try:
            uapi_set(self.name, change)
        except RemoteError as error:
            if error.errno == errno.EADDRINUSE:
                problem = f"UDP port {change.listen_port} is in use by another program"
                raise HostError(problem, code="host.port_in_use", errno=error.errno) from error
            raise

    def remove(self) -> None:
        """Delete the link, and return when the program has ended."""
        remove(self.name, self._netlink)


def find_program() -> str:
    """Return the program installed with this package, else the one on the PATH. Raises EngineError."""
    beside = Path(sysconfig.get_path("scripts")) / PROGRAM
    program = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if program is None:
        raise EngineError(f"{PROGRAM} is neither in {beside.parent} nor on the PATH", code="engine.missing")
    return program
