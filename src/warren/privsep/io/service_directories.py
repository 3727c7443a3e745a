"""The directories of the agent: which there are, to whom they belong, and which are root's alone.

Root makes what is missing, and changes the owner and the mode of nothing that exists, nor of anything in it. An empty
directory that an agent which stayed root has left is made anew, and two files of root's are put there anew for the
service: the token of the local HTTP and the keys of the node. What would lie in a directory that others can write is
not made by root at all, but by whoever may write there.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warren._core import UAPI_DIRECTORY
from warren.config.defaults import Defaults
from warren.errors import HostError
from warren.files.atomic import replace_file
from warren.files.bounded_read import read_bounded
from warren.files.make_directory import make_directory, remove_empty_directory
from warren.files.trusted_path import ROOT_PATH_TRUST, UntrustedPathError, trusted_directory
from warren.files.unix_listener import InUseError, remove_dead_socket, remove_lock
from warren.files.unix_socket import find_group
from warren.http.io.token_file import GROUP_MODE, OWNER_MODE, make_token
from warren.privsep.io.service_user import ROOT, ServiceUser, is_root
from warren.privsep.service_config import ServiceConfig

# The service's group may make files there; with the sticky bit it cannot replace those of root.
SHARED = 0o1775
OPEN, LOG, PRIVATE = 0o755, 0o750, 0o700
JOURNAL, OWN_JOURNAL = "helper", "dns"
IDENTITY = "node.jwks"  # as in trust.io.identity_file, whose import takes 10 MB of each agent
KEY_MODE = 0o600
MAX_FILE_BYTES = 65_536  # a hundred times as long as either file that is given to the service

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceDirectory:
    """A directory as root makes it."""

    path: Path
    uid: int
    mode: int
    is_own: bool = True
    """True if nothing but this program uses it, by its name."""


def journal_directory(config: ServiceConfig) -> Path:
    """Return where this process records what must be undone.

    Root's is where a helper finds it, so that the next start may be another user's.
    """
    return Path(config.daemon.state) / (JOURNAL if is_root() else OWN_JOURNAL)


def make_directories(user: ServiceUser, config: ServiceConfig, defaults: Defaults) -> None:
    """Make the directories of the service that are missing, as root. Raises OSError."""
    for path in _sockets(config):
        with suppress(OSError, HostError, InUseError):
            remove_dead_socket(path, trust=ROOT_PATH_TRUST)
            remove_lock(path, trust=ROOT_PATH_TRUST)
    for each in _directories(user, config, defaults):
        with suppress(UntrustedPathError):  # who can write there makes it
            _make(each, user)
    if config.http.enabled:
        group = find_group(config.daemon.group).gid
        _make_token(Path(config.http.token), GROUP_MODE, user, user.gid if group is None else group)
        _make_token(Path(config.http.admin_token), OWNER_MODE, user, user.gid)
    if config.commands.security.root:
        _give_copy(Path(config.commands.security.identity) / IDENTITY, KEY_MODE, user, user.gid)


def make_root_directory(path: Path) -> Path:
    """Make a directory of root's alone, where nobody but root can put another in its place.

    Raises OSError, and HostError if the directory above can be written by others, or if the directory exists and is
    not root's alone.
    """
    make_directory(path, PRIVATE, trust=ROOT_PATH_TRUST, owner=(ROOT, ROOT))
    with trusted_directory(path, ROOT_PATH_TRUST) as directory:
        status = directory.own_status()
    if stat.S_IMODE(status.st_mode) != PRIVATE:
        problem = f"{path} is not a directory of root with mode {PRIVATE:04o}"
        raise HostError(problem, code="host.refused", hint=f"chmod 0700 {path}")
    return path


def _make(wanted: ServiceDirectory, user: ServiceUser) -> None:
    owner = wanted.uid, user.gid
    if make_directory(wanted.path, wanted.mode, trust=ROOT_PATH_TRUST, owner=owner):
        return
    status = wanted.path.lstat()
    if wanted.is_own and status.st_uid == ROOT != user.uid and (status.st_uid, status.st_gid) != owner:
        with suppress(OSError):  # it is not empty, and stays
            remove_empty_directory(wanted.path, trust=ROOT_PATH_TRUST)
            make_directory(wanted.path, wanted.mode, trust=ROOT_PATH_TRUST, owner=owner)
    if wanted.mode == PRIVATE and not user.owns(wanted.path):
        hint = f"chown {user.name}: {wanted.path}"
        log.warning("directory.not_owned", extra={"path": str(wanted.path), "user": user.name, "hint": hint})


def _make_token(path: Path, mode: int, user: ServiceUser, group: int) -> None:
    """Make a token of the local HTTP where its service cannot, in a directory of root's. Raises OSError."""
    with suppress(FileNotFoundError, UntrustedPathError), trusted_directory(path.parent, ROOT_PATH_TRUST):
        make_token(path, mode, (user.uid, group))
        _give_copy(path, mode, user, group)


def _give_copy(path: Path, mode: int, user: ServiceUser, group: int) -> None:
    """Put a file that only root can have written there anew as the service's, which cannot read it. Raises OSError."""
    if user.uid == ROOT:
        return
    with suppress(FileNotFoundError, UntrustedPathError):
        octets, status = read_bounded(path, MAX_FILE_BYTES, trust=ROOT_PATH_TRUST)
        is_readable = status.st_mode & stat.S_IRGRP and status.st_gid in {user.gid, *user.groups}
        if stat.S_ISREG(status.st_mode) and len(octets) < MAX_FILE_BYTES and not is_readable:
            replace_file(path, octets, mode, trust=ROOT_PATH_TRUST, owner=(user.uid, group))


def _sockets(config: ServiceConfig) -> tuple[Path, ...]:
    return Path(config.daemon.socket), Path(config.http.socket)


def _is_of_service(directory: Path, config: ServiceConfig) -> bool:
    """Return whether the service makes the files of a directory: below its state, or where its sockets are.

    In any other one, root makes them: a unit of the agent can write nowhere else.
    """
    return directory.is_relative_to(config.daemon.state) or directory in {path.parent for path in _sockets(config)}


def _directories(user: ServiceUser, config: ServiceConfig, defaults: Defaults) -> Iterator[ServiceDirectory]:
    yield ServiceDirectory(Path(config.daemon.state), ROOT, OPEN, is_own=False)
    for directory in dict.fromkeys((Path(config.http.token).parent, Path(config.http.admin_token).parent)):
        uid = user.uid if _is_of_service(directory, config) else ROOT
        yield ServiceDirectory(directory, uid, OPEN, is_own=False)
    yield ServiceDirectory(Path(config.daemon.state) / OWN_JOURNAL, user.uid, PRIVATE)
    for socket in _sockets(config):
        yield ServiceDirectory(socket.parent, user.uid, OPEN, is_own=socket.parent.name == defaults.program)
    yield ServiceDirectory(Path(defaults.log), user.uid, LOG)
    yield ServiceDirectory(Path(UAPI_DIRECTORY), ROOT, SHARED)
    if config.commands.security.root:
        yield ServiceDirectory(Path(config.commands.commands), user.uid, PRIVATE)
        yield ServiceDirectory(Path(config.commands.audit), user.uid, PRIVATE)
