"""Who the agent is: started as root it becomes its service's user, and what needs root is the helper's from then on.

    root ── directories made ── helper forked ── privileges dropped ── sockets, threads, keys, network

A control socket in a directory that is not the service's, as /var/run, is bound before the drop (H-25).

It keeps CAP_NET_ADMIN for links, routes and rules, CAP_IPC_LOCK so that the limit of locked memory does not count for
its keys (H-74), and CAP_NET_RAW only where the host lets none of its groups send echoes (icmp(7), ping_group_range).
"""

from __future__ import annotations

import importlib
import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warren._core import UAPI_DIRECTORY
from warren._core import drop_privileges as drop_process_privileges
from warren.commands.settings import CommandSettings
from warren.config.defaults import Defaults
from warren.errors import HostError
from warren.files.directory import Directory, make_directory, open_directory
from warren.files.trusted_path import Trust, UntrustedPathError, trusted_directory, walk_trusted
from warren.files.unix_listener import InUseError, remove_dead_socket
from warren.files.unix_socket import chown_socket as chown_socket_file
from warren.files.unix_socket import find_group
from warren.privsep.io.helper_client import HelperClient
from warren.privsep.io.helper_process import Rules, start_helper
from warren.privsep.io.privileged_ops import PrivilegedOps, direct_privileged_ops, helper_privileged_ops
from warren.privsep.service_config import ServiceConfig
from warren.tunnel.io.dns import Resolver

if sys.platform != "win32":
    import pwd

ROOT = 0
# linux/capability.h
CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK = 1 << 12, 1 << 13, 1 << 14
STATUS = Path("/proc/self/status")
PING_GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")
# The service's group may make files there; with the sticky bit it cannot touch those of root.
SHARED, STATE = 0o1775, 0o1770
OWN, LOG = 0o755, 0o750
BY_LINKS = Trust(follow_links=True)
JOURNAL, OWN_JOURNAL = "helper", "dns"
IDENTITY = "node.jwks"  # as trust.io.identityfile has it, whose import costs every agent 10 MB

# What Python imports when it is first needed, from a place that another user may not read: getaddrinfo(3)'s encoding,
# and that of a configuration, which is not asked for where it was empty at first.
IMPORTED_LATE = ("encodings.idna", "encodings.utf_8_sig")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """The user that the agent runs as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def owners(self) -> frozenset[int]:
        """To whom a key file of it may belong (H-70)."""
        return frozenset((ROOT, self.uid))


def find_service(user: str, group: str) -> Service:
    """The user that this process is to be: `user` with its groups and `group` for root, and itself for any other.

    Raises HostError if this host has no such user.
    """
    if sys.platform != "win32":
        if os.geteuid() != ROOT:
            return Service(str(os.geteuid()), os.geteuid(), os.getegid(), tuple(os.getgroups()))
        try:
            found = pwd.getpwnam(user)
        except KeyError:
            raise _no_user(user) from None
        more = find_group(group).gid
        groups = {*os.getgrouplist(user, found.pw_gid), *(() if more is None else (more,))}
        return Service(user, found.pw_uid, found.pw_gid, tuple(sorted(groups)))
    raise HostError("there are no users to run as on this system", code="host.refused")


def is_root() -> bool:
    """Whether this process is."""
    return sys.platform != "win32" and os.geteuid() == ROOT


def own_resolver(config: ServiceConfig, defaults: Defaults) -> Resolver:
    """The host's resolver, changed by this process itself."""
    return Resolver(journal_of(config), Path(defaults.root or "/"))


def journal_of(config: ServiceConfig) -> Path:
    """Where it is written what must be undone. Root's is where a helper finds it, should the next start be a user's."""
    return Path(config.daemon.state) / (JOURNAL if is_root() else OWN_JOURNAL)


def drop_privileges_or_fork_helper(
    service: Service, config: ServiceConfig, defaults: Defaults, helper: HelperClient | None = None
) -> PrivilegedOps:
    """What the agent is to work with: `helper`, if it has one already; root forks one. Before the first thread.

    Raises HostError for a directory that cannot be made, and where CAP_NET_ADMIN is missing (H-78).
    """
    _check_capabilities()
    _clear_dead_sockets(service, config)
    if service.uid == ROOT:
        log.warning("privileges.kept", extra={"reason": "it was told to run as root"})
    elif is_root():
        rules = prepare(service, config, defaults)
        try:
            helper = start_helper(rules)
        except OSError as error:
            raise HostError(f"the helper: {error.strerror}", code="host.refused", errno=error.errno) from error
    if helper is None:
        return direct_privileged_ops(service.owners, own_resolver(config, defaults))
    return helper_privileged_ops(service.owners, _key_directories(config), helper)


def prepare(service: Service, config: ServiceConfig, defaults: Defaults) -> Rules:
    """Makes the service's directories, as root; what its helper keeps to. Raises HostError."""
    try:
        _make_directories(service, config, defaults)
        journal = make_roots_own(Path(config.daemon.state) / JOURNAL)
        commands = _enabled(config)
        if commands is not None:
            make_roots_own(Path(commands.runner))
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}", code="host.refused", errno=error.errno) from error
    config_file, socket = _where_it_lies(config.source), _where_it_lies(config.daemon.socket)
    root = Path(defaults.root or "/")
    return Rules(_key_directories(config), service.owners, config_file, socket, journal, root, commands)


def _key_directories(config: ServiceConfig) -> tuple[str, ...]:
    return tuple(directory.rstrip("/") for directory in config.daemon.key_directories)


def _enabled(config: ServiceConfig) -> CommandSettings | None:
    return config.commands if config.commands.security.exec_enable else None


def owns(service: Service, directory: Path) -> bool:
    """Whether the service can make and remove files there."""
    with suppress(OSError):
        return directory.stat().st_uid == service.uid
    return False


def resolve_socket_link(socket: Path) -> Path:
    """Where a control socket is to be made: a link of root's leads to a directory that the service can write."""
    with suppress(OSError):
        if socket.is_symlink() and socket.lstat().st_uid == ROOT:
            return socket.parent / socket.readlink()
    return socket


def chown_socket(socket: Path, service: Service) -> None:
    """What root has made is the service's."""
    if sys.platform != "win32" and is_root():
        chown_socket_file(socket, service.uid)


def drop_privileges(service: Service) -> None:
    """This process is the service from now on, for good. To be called before the first thread. Raises HostError."""
    if service.uid == ROOT:
        return
    for module in IMPORTED_LATE:
        importlib.import_module(module)
    kept = CAP_NET_ADMIN | CAP_IPC_LOCK | (0 if _may_send_echoes(service) else CAP_NET_RAW)
    drop_process_privileges(service.uid, service.gid, [*service.groups], kept & _permitted())


def _where_it_lies(path: str) -> Path:
    """Without a link on the way to it, as it is while nobody but root has a say."""
    return Path(path).parent.resolve() / Path(path).name


def _no_user(user: str) -> HostError:
    make = f"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {user}"
    hint = f"make it: {make}; or name another as [daemon] user"
    return HostError(f"there is no user {user} on this host", code="privilege.unknown_user", hint=hint)


def _check_capabilities() -> None:
    if not _permitted() & CAP_NET_ADMIN:
        hint = (
            "start it as root: it keeps that one and becomes another user; or give it to the launcher: "
            f"setcap cap_net_admin,cap_ipc_lock=+eip {sys.argv[0]}; or by its unit: AmbientCapabilities=CAP_NET_ADMIN"
        )
        raise HostError("this process lacks CAP_NET_ADMIN (cap_net_admin)", code="privilege.missing", hint=hint)


def _permitted() -> int:
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:"))


def _may_send_echoes(service: Service) -> bool:
    """Whether one of its groups is in the range; where there is none to read, none is."""
    try:
        lowest, highest = map(int, PING_GROUPS.read_text().split())
    except OSError:
        return False
    return any(lowest <= gid <= highest for gid in (service.gid, *service.groups))


def _make_directories(service: Service, config: ServiceConfig, defaults: Defaults) -> None:
    _hand_on(Path(config.http.token), service)
    if config.commands.security.root:
        _hand_on(Path(config.commands.security.identity) / IDENTITY, service)
    for path, uid, mode in _directories(service, config, defaults):
        # One that others have made for more than this program stays as it is.
        if not path.is_dir() or path.name == defaults.program or str(path) == UAPI_DIRECTORY:
            make_directory(path, 0o755)
            own_directory(path, uid, service.gid, mode)


def _hand_on(path: Path, service: Service) -> None:
    """A file that root has made before there was a service, if nobody else can have put it there. Raises OSError."""
    with suppress(FileNotFoundError, UntrustedPathError), trusted_directory(path.parent, BY_LINKS) as directory:
        directory.chown(path.name, service.uid, service.gid)


def _clear_dead_sockets(service: Service, config: ServiceConfig) -> None:
    """Those of engines of an agent that was killed: its own ones, and of its networks root's too."""
    named = {f"{network.interface}.sock" for network in config.networks}
    with suppress(OSError):
        for path in (*Path(UAPI_DIRECTORY).iterdir(),):
            with suppress(OSError, HostError, InUseError):
                if path.suffix == ".sock" and (path.name in named or path.lstat().st_uid == service.uid):
                    remove_dead_socket(path)


def _directories(service: Service, config: ServiceConfig, defaults: Defaults) -> Iterator[tuple[Path, int, int]]:
    """With their owner and mode."""
    yield Path(config.daemon.socket).parent, service.uid, OWN
    yield Path(config.http.socket).parent, service.uid, OWN
    yield Path(defaults.log), service.uid, LOG
    yield Path(config.http.token).parent, ROOT, STATE
    yield Path(config.daemon.state), ROOT, STATE
    yield Path(UAPI_DIRECTORY), ROOT, SHARED
    if config.commands.security.root:
        yield Path(config.commands.commands), service.uid, OWN
        yield Path(config.commands.audit), service.uid, OWN


def make_roots_own(path: Path) -> Path:
    """A directory of root's alone, in one where nobody but root can put another in its place. Raises OSError."""
    with walk_trusted(path.parent, BY_LINKS) as found, Directory(found.path, os.dup(found.descriptor)) as above:
        with suppress(FileExistsError):
            above.make_directory(path.name, 0o700)
        status = above.status(path.name)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != ROOT or stat.S_IMODE(status.st_mode) != 0o700:
        raise HostError(f"{path} is not root's own directory", code="host.refused", hint=f"remove {path}")
    return path


def own_directory(path: Path, uid: int, gid: int, mode: int) -> None:
    """By a descriptor, so that no link can lead elsewhere. Raises OSError."""
    with open_directory(path, follow=False) as directory:
        if uid != ROOT and directory.own_status().st_uid == ROOT:
            # What an agent that stayed root has left there.
            for name in directory.names():
                directory.chown(name, uid, gid)
        directory.set_owner(uid, gid)
        directory.set_mode(mode)
