"""The state of the helper between two requests: its rules, the lock of root's journal, and the runner it started."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from warren.commands.settings import CommandSettings
from warren.errors import HostError, KeyFileError
from warren.files.directory import Directory
from warren.files.lock_file import LockFile
from warren.files.trusted_path import ROOT_PATH_TRUST, ROOT_TRUST, Doubt, UntrustedPathError, trusted_directory
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.nft_exit import ExitForwarding

LOCK_TIMEOUT_SECONDS = 30  # the programs that set name servers have ten each

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HelperRules:
    """The limits of the helper. The agent that asks cannot change them."""

    key_directories: tuple[str, ...]
    owners: frozenset[int]
    """The users to whom a key file may belong."""
    config: Path
    """The agent's configuration."""
    socket: Path
    """The agent's control socket."""
    journal: Path
    """A directory of root's alone, for what must be undone."""
    root: Path = Path("/")
    """Where the host's own files begin."""
    commands: CommandSettings | None = None
    """The settings of signed commands; None if this node runs none."""


class HelperState:
    """The state of the helper of one agent."""

    def __init__(self, rules: HelperRules) -> None:
        self.rules = rules
        self.runner_pid: int | None = None
        self._resolver = Resolver(rules.journal, rules.root)
        self._exits = ExitForwarding(rules.journal)
        self._lock: LockFile | None = None

    @property
    def resolver(self) -> Resolver:
        """Return the host's resolver, after the helper of a killed agent has released the journal. Raises HostError."""
        self._hold_journal()
        return self._resolver

    @property
    def exits(self) -> ExitForwarding:
        """Return the host's exit nodes, after a former helper has released the journal. Raises HostError."""
        self._hold_journal()
        return self._exits

    def _hold_journal(self) -> None:
        if self._lock is None:
            self._lock = lock_journal(self.rules.journal)

    def undo(self) -> bool:
        """Give the host its own name servers and forwarding back; return False if something of that is left to do."""
        if self._lock is None:
            return True
        exit_problems, dns_problems = self._exits.recover(), self._resolver.recover()
        for event, problems in (("exit.recovery_failed", exit_problems), ("dns.recovery_failed", dns_problems)):
            for problem in problems:
                log.error(event, extra={"error": str(problem), "hint": problem.hint})
        if exit_problems or dns_problems:
            return False
        self._lock.close()
        self._lock = None
        return True


def lock_journal(journal: Path) -> LockFile:
    """Lock root's journal for this process. Raises HostError if another helper has it, and OSError."""
    lock = LockFile.open(journal / "lock", trust=ROOT_PATH_TRUST)
    if not lock.wait(LOCK_TIMEOUT_SECONDS):
        lock.close()
        problem = f"the helper of another agent uses {journal}"
        hint = "stop that agent, or give each a directory of its own as [daemon] state"
        raise HostError(problem, code="dns.refused", hint=hint)
    return lock


def root_directory(path: Path, *below: str) -> Directory:
    """Open a directory that only root can write, or one below it.

    Links of root's may lead to it; neither it nor anything below it may be a link. Raises UntrustedPathError, OSError.
    """
    with trusted_directory(path.parent, ROOT_PATH_TRUST) as parent:
        return trusted_directory(Path(path.name, *below), ROOT_TRUST, parent)


@contextmanager
def as_key_file_error(path: str) -> Iterator[None]:
    """Raise what the system or the walk refuses as a KeyFileError that names `path`."""
    try:
        yield
    except UntrustedPathError as error:
        code = "key_file.symlink" if error.doubt is Doubt.LINK else "key_file.directory_permissions"
        raise KeyFileError(f"{path}: {error}", code=code, errno=error.errno, hint=error.hint) from error
    except OSError as error:
        is_link = error.errno == errno.ELOOP
        problem = f"{path} is a symbolic link" if is_link else f"{path}: {error.strerror}"
        code = "key_file.symlink" if is_link else "key_file.unusable"
        raise KeyFileError(problem, code=code, errno=error.errno) from error
