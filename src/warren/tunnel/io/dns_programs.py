"""Find, probe and run resolvectl and resolvconf."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from warren.errors import HostError
from warren.tunnel.dns import Command
from warren.tunnel.dns_journal import DnsBackend

# Not PATH of the environment, as this runs with privileges.
DIRECTORIES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
TIMEOUT_SECONDS = 10  # they answer within milliseconds


class DnsPrograms:
    """The programs of the host below `root`."""

    def __init__(self, root: Path) -> None:
        self._path = os.pathsep.join(str(root / directory) for directory in DIRECTORIES)

    def answering(self) -> frozenset[DnsBackend]:
        """Return the programs that exist and answer."""
        return frozenset(
            backend for backend in (DnsBackend.RESOLVECTL, DnsBackend.RESOLVCONF) if self._answers(backend)
        )

    def run(self, commands: Sequence[Command]) -> None:
        """Run the commands in order. Raises HostError for the first that fails; those after it are not run."""
        for command in commands:
            self._run(command)

    def _answers(self, backend: DnsBackend) -> bool:
        if self._find(backend) is None:
            return False
        try:
            if backend is DnsBackend.RESOLVECTL:
                self._run(Command(backend, ("dns",)))  # it queries resolved
        except HostError:
            return False
        return True

    def _find(self, backend: DnsBackend) -> str | None:
        program = shutil.which(backend, path=self._path)
        # systemd installs resolvectl as resolvconf too; without resolved it has no effect.
        is_other = (
            program is not None
            and backend is DnsBackend.RESOLVCONF
            and Path(program).resolve().name == DnsBackend.RESOLVECTL
        )
        return None if is_other else program

    def _run(self, command: Command) -> None:
        command_line = f"`{command.backend} {' '.join(command.arguments)}`"
        try:
            done = subprocess.run(
                [self._find(command.backend) or command.backend, *command.arguments],
                input=command.text,
                env={"PATH": self._path, "LC_ALL": "C"},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise HostError(f"{command_line} did not exit within {TIMEOUT_SECONDS} s", code="dns.refused") from error
        except OSError as error:
            raise HostError(f"{command_line}: {error.strerror}", code="dns.refused", errno=error.errno) from error
        if done.returncode != 0:
            why = done.stderr.strip() or f"exit status {done.returncode}"
            raise HostError(f"{command_line}: {why}", code="dns.refused")
