"""Find, probe and run resolvectl and resolvconf."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from warren.errors import HostError
from warren.tunnel.dns import Command
from warren.tunnel.dns_journal import DnsBackend
from warren.tunnel.io.host_program import DIRECTORIES, ProgramRunner

TIMEOUT_SECONDS = 10  # they answer within milliseconds


class DnsPrograms:
    """The programs of the host below `root`."""

    def __init__(self, root: Path) -> None:
        self._path = os.pathsep.join(str(root / directory) for directory in DIRECTORIES)
        self._runner = ProgramRunner(self._path, TIMEOUT_SECONDS, "dns.refused")

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
        program = self._find(command.backend) or command.backend
        self._runner.run((command.backend, *command.arguments), program, command.text)
