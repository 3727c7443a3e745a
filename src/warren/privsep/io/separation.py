"""Separate privileges: an agent that root started becomes its service's user, and a helper performs what needs root.

    root ── directories made ── helper forked ── privileges dropped ── sockets, threads, keys, network

A control socket in a directory that is not the service's, as /var/run, is bound before the drop (H-25).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from warren.config.defaults import Defaults
from warren.errors import HostError
from warren.files.bounded_read import open_following
from warren.files.trusted_path import ROOT_PATH_TRUST, UntrustedPathError, process_trust, trusted_directory
from warren.files.unix_listener import Listener, activation_fd, from_activation, listen
from warren.files.unix_socket import chown_socket, find_group
from warren.privsep.io.capabilities import drop_privileges, verify_capabilities
from warren.privsep.io.engine_sockets import remove_dead_engine_sockets
from warren.privsep.io.helper_client import HelperClient, connect_helper
from warren.privsep.io.helper_process import start_helper
from warren.privsep.io.helper_state import HelperRules
from warren.privsep.io.instance_lock import instance_lock
from warren.privsep.io.privileged_ops import (
    PrivilegedOps,
    config_opener,
    direct_privileged_ops,
    forked_runner_opener,
    helper_privileged_ops,
    unit_runner_opener,
)
from warren.privsep.io.service_directories import (
    JOURNAL,
    journal_directory,
    make_directories,
    make_root_directory,
)
from warren.privsep.io.service_user import ROOT, ServiceUser, find_service_user, is_root
from warren.privsep.service_config import ServiceConfig
from warren.tunnel.backend_rule import may_have_links, needs_net_admin
from warren.tunnel.io.conffile import Opener
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.nft_exit import ExitForwarding

Config = TypeVar("Config", bound=ServiceConfig)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Separated(Generic[Config]):
    """An agent that has dropped its privileges."""

    config: Config
    privileged: PrivilegedOps
    listener: Listener
    """The control socket."""


@contextmanager
def separate_privileges(
    path: Path, defaults: Defaults, load: Callable[[Opener], Config], before_drop: Callable[[Config], None]
) -> Iterator[Separated[Config]]:
    """Become the user of the configuration at `path` for good; the helper ends with the context.

    `load` reads the configuration by the opener that it gets. `before_drop` imports what this process may be unable to
    read afterwards. Call it before the first thread. Raises WarrenError, and then nothing is left.
    """
    helper = _connect_helper(path, defaults)
    config = load(open_following if helper is None else config_opener(helper))
    user = find_service_user(config.daemon.user, config.daemon.group)
    privileged = _privileged_ops(path, user, config, defaults, helper)
    before_drop(config)
    lock = instance_lock(journal_directory(config), f"which serves {config.daemon.socket}")
    with closing(privileged), lock, _listen(config, user, privileged) as listener:
        yield Separated(config, privileged, listener)


def host_resolver(config: ServiceConfig, defaults: Defaults) -> Resolver:
    """Return the host's resolver, for a process that changes it itself."""
    return Resolver(journal_directory(config), Path(defaults.root or "/"))


def host_exits(config: ServiceConfig) -> ExitForwarding:
    """Return the host's exit nodes, for a process that opens them itself."""
    return ExitForwarding(journal_directory(config))


def prepare_helper(user: ServiceUser, config: ServiceConfig, defaults: Defaults) -> HelperRules:
    """Make the service's directories, as root, and return the rules of its helper. Raises HostError."""
    commands = config.commands if config.commands.security.exec_enable else None
    _make_directories(user, config, defaults)
    with _as_host_error():
        journal = make_root_directory(Path(config.daemon.state) / JOURNAL)
        if commands is not None:
            make_root_directory(Path(commands.runner))
    return HelperRules(
        _key_directories(config),
        user.owners,
        _without_links(config.source),
        _without_links(config.daemon.socket),
        journal,
        Path(defaults.root or "/"),
        commands,
    )


def _make_directories(user: ServiceUser, config: ServiceConfig, defaults: Defaults) -> None:
    with _as_host_error():
        make_directories(user, config, defaults)


@contextmanager
def _as_host_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}", code="host.refused", errno=error.errno) from error


def _connect_helper(path: Path, defaults: Defaults) -> HelperClient | None:
    """Return the helper that is a unit of its own, or None."""
    return connect_helper(Path(defaults.helper_socket)) if _has_units(path, defaults) else None


def _has_units(path: Path, defaults: Defaults) -> bool:
    """Return whether helper and runner may be units of their own: they read the configuration at the default path."""
    return not is_root() and path == Path(defaults.config)


def _privileged_ops(
    path: Path, user: ServiceUser, config: ServiceConfig, defaults: Defaults, helper: HelperClient | None
) -> PrivilegedOps:
    """Return the privileged operations: by `helper`, if there is one; root forks one.

    Raises HostError for a directory that cannot be made, and if CAP_NET_ADMIN is missing and needed (H-78, W-34).
    """
    if needs_net_admin(config.networks):
        verify_capabilities()
    remove_dead_engine_sockets(user, config)
    if user.uid == ROOT:
        log.warning("privileges.kept", extra={"reason": "[daemon] user or --user is root"})
        _make_directories(user, config, defaults)
    elif is_root():
        rules = prepare_helper(user, config, defaults)
        try:
            helper = start_helper(rules)
        except OSError as error:
            problem = f"cannot start the helper: {error.strerror}"
            raise HostError(problem, code="host.refused", errno=error.errno) from error
    open_runner = _runner_opener(path, defaults, helper)
    if helper is None:
        return direct_privileged_ops(user.owners, host_resolver(config, defaults), host_exits(config), open_runner)
    return helper_privileged_ops(user.owners, _key_directories(config), helper, open_runner)


def _runner_opener(path: Path, defaults: Defaults, helper: HelperClient | None) -> Callable[[], int] | None:
    """Return what opens a runner: the helper that root forked, else the runner that is a unit of its own.

    Without units there is none, and this process runs what it can of the privileged parts.
    """
    if helper is not None and helper.child is not None:
        return forked_runner_opener(helper)
    socket = Path(defaults.runner_socket)
    if _has_units(path, defaults) and (helper is not None or socket.exists()):
        return unit_runner_opener(socket)
    return None


def _listen(config: ServiceConfig, user: ServiceUser, privileged: PrivilegedOps) -> Listener:
    """Open the control socket and drop privileges: this process is the service's from then on. Raises HostError.

    A socket on which the service manager already listens is used as it is (H-25).
    """
    keeps_net_admin = may_have_links(config.networks)
    if (descriptor := activation_fd()) is not None:
        drop_privileges(user, keeps_net_admin=keeps_net_admin)
        return from_activation(descriptor)
    path, gid = _resolve_socket_link(Path(config.daemon.socket)), find_group(config.daemon.group).gid
    before_drop = _is_roots(path.parent)
    if not before_drop:
        drop_privileges(user, keeps_net_admin=keeps_net_admin)
    with ExitStack() as undo:
        listener = undo.enter_context(listen(path, gid, privileged.remove_socket, trust=process_trust()))
        if before_drop:
            chown_socket(path, user.uid)
            drop_privileges(user, keeps_net_admin=keeps_net_admin)
        undo.pop_all()
        return listener


def _is_roots(directory: Path) -> bool:
    """Return whether this process is root and nobody else can write the directory."""
    try:
        with trusted_directory(directory, ROOT_PATH_TRUST):
            return is_root()
    except (UntrustedPathError, OSError):
        return False


def _resolve_socket_link(socket: Path) -> Path:
    """Return where the control socket is made: a link of root's leads to a directory that the service can write."""
    with suppress(OSError):
        if socket.is_symlink() and socket.lstat().st_uid == ROOT:
            return socket.parent / socket.readlink()
    return socket


def _key_directories(config: ServiceConfig) -> tuple[str, ...]:
    return tuple(directory.rstrip("/") for directory in config.daemon.key_directories)


def _without_links(path: str) -> Path:
    """Return a path whose directory has no link in it, as it is while only root has a say."""
    return Path(path).parent.resolve() / Path(path).name
