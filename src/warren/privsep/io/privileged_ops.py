"""Operations that may need more privileges than the agent has: on key files, name servers and the TUN driver.

There are two implementations of each: by this process itself, and through its helper. Callers see no difference.
Every method may block.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from warren.config.parsers import IPAddress
from warren.errors import HostError, WarrenError
from warren.files.bounded_read import open_following
from warren.files.key_file import Owners, open_key_file
from warren.files.unix_listener import remove_socket
from warren.privsep.io.helper_client import HelperClient
from warren.privsep.io.operations.config_file import OPEN_CONFIG, OpenConfig
from warren.privsep.io.operations.control_socket import REMOVE_SOCKET, RemoveSocket
from warren.privsep.io.operations.dns import (
    APPLY_DNS,
    GET_HOST_DNS,
    RECOVER_DNS,
    REVERT_DNS,
    VERIFY_DNS,
    ApplyDns,
    GetHostDns,
    RecoverDns,
    RevertDns,
    VerifyDns,
)
from warren.privsep.io.operations.exit_node import (
    APPLY_EXIT,
    CHECK_EXIT,
    RECOVER_EXITS,
    REVERT_EXIT,
    ApplyExit,
    CheckExit,
    RecoverExits,
    RevertExit,
)
from warren.privsep.io.operations.key_files import OPEN_KEY, ROTATE_KEY, OpenKey, RotateKey
from warren.privsep.io.operations.runner import OPEN_RUNNER, OpenRunner
from warren.privsep.io.operations.tun import OPEN_TUN, TUN, OpenTun
from warren.privsep.io.runner_link import connect_runner
from warren.privsep.operation import MAX_BYTES
from warren.telemetry.conditions import Condition
from warren.tunnel.dns_journal import DnsBackend
from warren.tunnel.io.conffile import Opener
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.in_process import OpenDriver, open_no_driver
from warren.tunnel.io.key_rotation import rotate_key
from warren.tunnel.io.nft_exit import ExitForwarding
from warren.tunnel.nft_exit import ExitRules
from warren.tunnel.rotation import KeyFiles, Step


class KeyAccess(Protocol):
    """Read and rotate key files."""

    @property
    def owners(self) -> Owners:
        """Return the users to whom a key file may belong (H-70)."""

    def open(self, path: Path) -> int:
        """Return a descriptor to read a key file by. Raises OSError, KeyFileError and HostError."""

    def rotate(self, path: Path, step: Step) -> KeyFiles:
        """Perform one step as `rotate_key` does. Raises StateError, KeyFileError and HostError."""


class HostResolver(Protocol):
    """The resolver of the host, as `tunnel.io.dns.Resolver` changes it."""

    def apply(self, network: str, interface: str, servers: Sequence[IPAddress]) -> DnsBackend:
        """Set the name servers of a network, and return the backend that they were set with. Raises HostError."""

    def verify(self, network: str) -> None:
        """Raise HostError if another program has changed them."""

    def revert(self, network: str) -> None:
        """Give the host back what it had before a network. Raises HostError."""

    def recover(self) -> tuple[HostError, ...]:
        """Revert what a killed agent left behind, and return what could not be reverted."""

    def host_servers(self) -> tuple[IPAddress, ...]:
        """Return the host's own name servers. Raises HostError."""


class HostExits(Protocol):
    """The exit nodes of the host, as `tunnel.io.nft_exit.ExitForwarding` opens them."""

    def apply(self, rules: ExitRules, uplinks: Mapping[int, tuple[str, ...]]) -> None:
        """Open the exit node of a network, or change it. Raises HostError."""

    def check(self, network: str) -> tuple[HostError, ...]:
        """Restore the table if it was removed, and return why an exit node does not work. Raises HostError."""

    def revert(self, network: str) -> None:
        """Close the exit node of a network. Raises HostError."""

    def recover(self) -> tuple[HostError, ...]:
        """Close what a killed agent left open, and return what could not be restored."""


@dataclass(frozen=True, slots=True)
class PrivilegedOps:
    """The privileged operations of an agent."""

    keys: KeyAccess
    resolver: HostResolver
    exits: HostExits
    open_tun: OpenDriver
    helper: HelperClient | None = None
    open_runner: Callable[[], int] | None = None
    """Opens a connection to a new runner; None if this process runs privileged parts itself."""

    @property
    def open_config(self) -> Opener:
        """Return the opener of the configuration, to read it again."""
        return open_following if self.helper is None else config_opener(self.helper)

    def remove_socket(self, path: Path) -> None:
        """Remove the control socket. If nobody can any more, the next start replaces it."""
        try:
            remove_socket(path)
        except PermissionError:
            with suppress(WarrenError):
                if self.helper is not None:
                    self.helper.call(REMOVE_SOCKET, RemoveSocket())

    def conditions(self) -> tuple[Condition, ...]:
        """Return the condition of the helper."""
        return () if self.helper is None else self.helper.conditions()

    async def watch(self) -> None:
        """Wait for the exit of the helper, if there is one."""
        if self.helper is not None:
            await self.helper.watch()

    def close(self) -> None:
        """End the helper."""
        if self.helper is not None:
            self.helper.close()


def direct_privileged_ops(
    owners: Owners, resolver: Resolver, exits: ExitForwarding, open_runner: Callable[[], int] | None = None
) -> PrivilegedOps:
    """Return the operations of a process that performs all of them itself, apart from those of a runner."""
    return PrivilegedOps(DirectKeyAccess(owners), resolver, exits, open_no_driver, open_runner=open_runner)


def helper_privileged_ops(
    owners: Owners, directories: Sequence[str], helper: HelperClient, open_runner: Callable[[], int] | None
) -> PrivilegedOps:
    """Return the operations of a process with a helper, which opens keys in `directories`."""
    keys, resolver = HelperKeyAccess(owners, directories, helper), HelperResolver(helper)
    return PrivilegedOps(keys, resolver, HelperExits(helper), tun_opener(helper), helper, open_runner)


def forked_runner_opener(helper: HelperClient) -> Callable[[], int]:
    """Return what opens a runner by a helper that is a child of the agent. Raises HostError."""
    return lambda: helper.call(OPEN_RUNNER, OpenRunner())


def unit_runner_opener(path: Path) -> Callable[[], int]:
    """Return what connects to the runner that is a unit of its own. Raises HostError."""
    return lambda: connect_runner(path)


def config_opener(helper: HelperClient) -> Opener:
    """Return the opener of the configuration, which uses the helper where this process may not.

    The opener raises OSError, InputError and HostError.
    """

    def open_config(path: Path) -> int:
        try:
            return open_following(path)
        except PermissionError:
            return helper.call(OPEN_CONFIG, OpenConfig())

    return open_config


def tun_opener(helper: HelperClient) -> OpenDriver:
    """Return what opens the TUN driver by the helper; it returns None where this process may open it itself."""
    return lambda: None if os.access(TUN, os.R_OK | os.W_OK) else helper.call(OPEN_TUN, OpenTun())


@dataclass(frozen=True, slots=True)
class DirectKeyAccess:
    """Key files, by this process itself."""

    owners: Owners = None

    def open(self, path: Path) -> int:
        """Return a descriptor to read a key file by. Raises OSError."""
        return open_key_file(path)

    def rotate(self, path: Path, step: Step) -> KeyFiles:
        """Perform one step. Raises StateError and KeyFileError."""
        return rotate_key(path, step, self.owners)


@dataclass(frozen=True, slots=True)
class HelperKeyAccess:
    """Key files, by the helper where this process may not open them and the helper may."""

    owners: Owners
    directories: Sequence[str]
    helper: HelperClient

    def open(self, path: Path) -> int:
        """Return a descriptor to read a key file by. Raises OSError, KeyFileError and HostError."""
        try:
            return open_key_file(path)
        except PermissionError:
            if not self._is_permitted(path):
                raise
        return self.helper.call(OPEN_KEY, OpenKey(str(path)))

    def rotate(self, path: Path, step: Step) -> KeyFiles:
        """Perform one step. Raises StateError, KeyFileError and HostError."""
        if (os.access(path, os.R_OK) and os.access(path.parent, os.W_OK)) or not self._is_permitted(path):
            return rotate_key(path, step, self.owners)
        return self.helper.call(ROTATE_KEY, RotateKey(str(path), step))

    def _is_permitted(self, path: Path) -> bool:
        """Return whether the helper opens keys there."""
        return any(path.is_relative_to(directory) for directory in self.directories)


@dataclass(frozen=True, slots=True)
class HelperResolver:
    """The resolver of the host, by the helper."""

    helper: HelperClient

    def apply(self, network: str, interface: str, servers: Sequence[IPAddress]) -> DnsBackend:
        """Set the name servers of a network. Raises HostError."""
        return self.helper.call(APPLY_DNS, ApplyDns(network, interface, tuple(servers)))

    def verify(self, network: str) -> None:
        """Raise HostError if another program has changed them."""
        self.helper.call(VERIFY_DNS, VerifyDns(network))

    def revert(self, network: str) -> None:
        """Give the host back what it had before a network. Raises HostError."""
        self.helper.call(REVERT_DNS, RevertDns(network))

    def recover(self) -> tuple[HostError, ...]:
        """Return what could not be reverted."""
        try:
            return self.helper.call(RECOVER_DNS, RecoverDns())
        except HostError as error:
            return (error,)

    def host_servers(self) -> tuple[IPAddress, ...]:
        """Return the host's own name servers. Raises HostError."""
        return self.helper.call(GET_HOST_DNS, GetHostDns())


@dataclass(frozen=True, slots=True)
class HelperExits:
    """The exit nodes of the host, by the helper."""

    helper: HelperClient

    def apply(self, rules: ExitRules, uplinks: Mapping[int, tuple[str, ...]]) -> None:
        """Open the exit node of a network, or change it. Raises HostError."""
        request = ApplyExit.of(rules, uplinks)
        if (size := len(APPLY_EXIT.encode(request))) > MAX_BYTES:
            problem = f"the exit node of {rules.network} has more prefixes than the helper takes: {size} octets"
            raise HostError(problem, code="exit.refused", hint=f"expected at most {MAX_BYTES} octets: join prefixes")
        self.helper.call(APPLY_EXIT, request)

    def check(self, network: str) -> tuple[HostError, ...]:
        """Return why an exit node does not work. Raises HostError."""
        return self.helper.call(CHECK_EXIT, CheckExit(network))

    def revert(self, network: str) -> None:
        """Close the exit node of a network. Raises HostError."""
        self.helper.call(REVERT_EXIT, RevertExit(network))

    def recover(self) -> tuple[HostError, ...]:
        """Return what could not be restored."""
        try:
            return self.helper.call(RECOVER_EXITS, RecoverExits())
        except HostError as error:
            return (error,)
