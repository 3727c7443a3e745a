"""The directories of the agent: which there are, to whom they belong, and which are root's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from warren._core import UAPI_DIRECTORY
from warren.config.defaults import Defaults
from warren.errors import HostError
from warren.files.directory import Directory, make_directory, open_directory
from warren.files.trusted_path import Trust, UntrustedPathError, trusted_directory, walk_trusted
from warren.privsep.io.service_user import ROOT, ServiceUser, is_root
from warren.privsep.service_config import ServiceConfig

# The service's group may make files there; with the sticky bit it cannot replace those of root.
SHARED, STATE = 0o1775, 0o1770
OWN, LOG = 0o755, 0o750
ROOT_ONLY_MODE = 0o700
JOURNAL, OWN_JOURNAL = "helper", "dns"
IDENTITY = "node.jwks"  # as in trust.io.identity_file, whose import takes 10 MB of each agent
FOLLOW_LINKS = Trust(follow_links=True)


def journal_directory(config: ServiceConfig) -> Path:
    """Return where this process records what must be undone.

    Root's is where a helper finds it, so that the next start may be another user's.
    """
    return Path(config.daemon.state) / (JOURNAL if is_root() else OWN_JOURNAL)


def make_directories(user: ServiceUser, config: ServiceConfig, defaults: Defaults) -> None:
    """Make the directories of the service, as root. Raises OSError and HostError."""
    for token in (config.http.token, config.http.admin_token):
        _give_file(Path(token), user)
    if config.commands.security.root:
        _give_file(Path(config.commands.security.identity) / IDENTITY, user)
    for path, uid, mode in _directories(user, config, defaults):
        # A directory that others have made for more than this program stays as it is.
        if not path.is_dir() or path.name == defaults.program or str(path) == UAPI_DIRECTORY:
            make_directory(path, OWN)
            give_directory(path, uid, user.gid, mode)


def make_root_directory(path: Path) -> Path:
    """Make a directory of root's alone, where nobody but root can put another in its place.

    Raises OSError, and HostError if the directory above can be written by others, or if the directory exists and is
    not root's alone.
    """
    with walk_trusted(path.parent, FOLLOW_LINKS) as entry, Directory(entry.path, os.dup(entry.descriptor)) as parent:
        with suppress(FileExistsError):
            parent.make_directory(path.name, ROOT_ONLY_MODE)
        status = parent.status(path.name)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != ROOT or stat.S_IMODE(status.st_mode) != ROOT_ONLY_MODE:
        problem = f"{path} is not a directory of root with mode {ROOT_ONLY_MODE:04o}"
        raise HostError(problem, code="host.refused", hint=f"remove {path}")
    return path


def give_directory(path: Path, uid: int, gid: int, mode: int) -> None:
    """Give a directory its owner and mode, by a descriptor, so that no link leads elsewhere. Raises OSError."""
    with open_directory(path, follow=False) as directory:
        if uid != ROOT and directory.own_status().st_uid == ROOT:
            # What an agent that stayed root has left there.
            for name in directory.names():
                directory.chown(name, uid, gid)
        directory.set_owner(uid, gid)
        directory.set_mode(mode)


def _give_file(path: Path, user: ServiceUser) -> None:
    """Give a file that root made before there was a service to its user, if nobody else can have put it there."""
    with suppress(FileNotFoundError, UntrustedPathError), trusted_directory(path.parent, FOLLOW_LINKS) as directory:
        directory.chown(path.name, user.uid, user.gid)


def _directories(user: ServiceUser, config: ServiceConfig, defaults: Defaults) -> Iterator[tuple[Path, int, int]]:
    """Yield each directory with its owner and mode."""
    yield Path(config.daemon.socket).parent, user.uid, OWN
    yield Path(config.http.socket).parent, user.uid, OWN
    yield Path(defaults.log), user.uid, LOG
    yield Path(config.http.token).parent, ROOT, STATE
    yield Path(config.daemon.state), ROOT, STATE
    yield Path(UAPI_DIRECTORY), ROOT, SHARED
    if config.commands.security.root:
        yield Path(config.commands.commands), user.uid, OWN
        yield Path(config.commands.audit), user.uid, OWN
