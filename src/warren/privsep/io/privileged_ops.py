"""What may take more rights than the agent has: key files, the host's name servers, the driver of TUN.

There are two of each here: what this process does itself, and what it asks its helper for. Callers see no difference.
Every method may block.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from warren.errors import HostError, WarrenError
from warren.files.bounded_read import open_following
from warren.files.key_file import Owners, open_key_file
from warren.files.unix_listener import remove_socket
from warren.privsep.helper_protocol import (
    ApplyDns,
    GetHostDns,
    OpenConfig,
    OpenKey,
    OpenTun,
    RecoverDns,
    RemoveSocket,
    RevertDns,
    RotateKey,
    VerifyDns,
    parse_key_files,
)
from warren.privsep.io.helper_client import HelperClient
from warren.telemetry.conditions import Condition
from warren.tunnel.dns_journal import DnsBackend
from warren.tunnel.io.conffile import Opener
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.in_process import OpenDriver, open_no_driver
from warren.tunnel.io.key_rotation import rotate_key
from warren.tunnel.network import IPAddress
from warren.tunnel.rotation import KeyFiles, Step

TUN = Path("/dev/net/tun")


class KeyAccess(Protocol):
    """Key files, to be read and to be changed."""

    @property
    def owners(self) -> Owners:
        """To whom one may belong (H-70)."""

    def open(self, path: Path) -> int:
        """A descriptor to read it by. Raises OSError or KeyFileError."""

    def rotate(self, path: Path, step: Step) -> KeyFiles:
        """One step of a rotation, as `rotate_key` performs it. Raises StateError, KeyFileError, HostError."""


class HostResolver(Protocol):
    """The resolver of the host, as `tunnel.io.dns.Resolver` changes it."""

    def apply(self, network: str, interface: str, servers: Sequence[IPAddress]) -> DnsBackend:
        """Raises HostError."""

    def verify(self, network: str) -> None:
        """Raises HostError, as where others have changed it."""

    def revert(self, network: str) -> None:
        """Raises HostError."""

    def recover(self) -> tuple[HostError, ...]:
        """Answers what could not be done."""

    def host_servers(self) -> tuple[IPAddress, ...]:
        """Raises HostError."""


@dataclass(frozen=True, slots=True)
class PrivilegedOps:
    """What an agent works with."""

    keys: KeyAccess
    resolver: HostResolver
    open_tun: OpenDriver
    helper: HelperClient | None = None

    @property
    def open_config(self) -> Opener:
        """Opens the configuration, to be read again."""
        return open_following if self.helper is None else config_opener(self.helper)

    def remove_socket(self, path: Path) -> None:
        """The control socket. One that nobody can remove any more, the next start takes the place of."""
        try:
            remove_socket(path)
        except PermissionError:
            with suppress(WarrenError):
                if self.helper is not None:
                    self.helper.ask(RemoveSocket())

    def conditions(self) -> tuple[Condition, ...]:
        """What a person should know: that its helper has ended."""
        return () if self.helper is None else self.helper.conditions()

    async def watch(self) -> None:
        """Until the helper has ended, if there is one."""
        if self.helper is not None:
            await self.helper.watch()

    def close(self) -> None:
        """Ends the helper."""
        if self.helper is not None:
            self.helper.close()


def direct_privileged_ops(owners: Owners, resolver: Resolver) -> PrivilegedOps:
    """All by this process itself."""
    return PrivilegedOps(DirectKeyAccess(owners), resolver, open_no_driver)


def helper_privileged_ops(owners: Owners, directories: Sequence[str], helper: HelperClient) -> PrivilegedOps:
    """By the helper, what this process may not do itself; `directories` are those whose keys it opens."""
    return PrivilegedOps(
        HelperKeyAccess(owners, directories, helper), HelperResolver(helper), tun_opener(helper), helper
    )


@dataclass(frozen=True, slots=True)
class DirectKeyAccess:
    """By this process itself."""

    owners: Owners = None

    def open(self, path: Path) -> int:
        """Raises OSError."""
        return open_key_file(path)

    def rotate(self, path: Path, step: Step) -> KeyFiles:
        """Raises StateError, KeyFileError."""
        return rotate_key(path, step, self.owners)


@dataclass(frozen=True, slots=True)
class HelperKeyAccess:
    """By the helper where this process may not, and where the helper may."""

    owners: Owners
    directories: Sequence[str]
    helper: HelperClient

    def open(self, path: Path) -> int:
        """Raises OSError, KeyFileError or HostError."""
        try:
            return open_key_file(path)
        except PermissionError:
            if not self._is_the_helpers(path):
                raise
        return self.helper.ask_descriptor(OpenKey(str(path)))

    def rotate(self, path: Path, step: Step) -> KeyFiles:
        """Raises StateError, KeyFileError or HostError."""
        if (os.access(path, os.R_OK) and os.access(path.parent, os.W_OK)) or not self._is_the_helpers(path):
            return rotate_key(path, step, self.owners)
        return parse_key_files(self.helper.ask(RotateKey(str(path), step)))

    def _is_the_helpers(self, path: Path) -> bool:
        return any(path.is_relative_to(directory) for directory in self.directories)


@dataclass(frozen=True, slots=True)
class HelperResolver:
    """By the helper; this process could not write the resolver's files."""

    helper: HelperClient

    def apply(self, network: str, interface: str, servers: Sequence[IPAddress]) -> DnsBackend:
        """Raises HostError."""
        return DnsBackend(str(self.helper.ask(ApplyDns(network, interface, tuple(servers)))))

    def verify(self, network: str) -> None:
        """Raises HostError."""
        self.helper.ask(VerifyDns(network))

    def revert(self, network: str) -> None:
        """Raises HostError."""
        self.helper.ask(RevertDns(network))

    def recover(self) -> tuple[HostError, ...]:
        """Answers what could not be done."""
        try:
            return self.helper.recovered(RecoverDns())
        except HostError as error:
            return (error,)

    def host_servers(self) -> tuple[IPAddress, ...]:
        """Raises HostError."""
        servers = self.helper.ask(GetHostDns())
        return tuple(ip_address(str(server)) for server in servers) if isinstance(servers, list) else ()


def config_opener(helper: HelperClient) -> Opener:
    """Opens the configuration, by the helper where this process may not. It raises OSError, InputError or HostError."""

    def open_config(path: Path) -> int:
        try:
            return open_following(path)
        except PermissionError:
            return helper.ask_descriptor(OpenConfig())

    return open_config


def tun_opener(helper: HelperClient) -> Callable[[], int | None]:
    """A descriptor of the driver where this process may not open it; else none is needed."""
    return lambda: None if os.access(TUN, os.R_OK | os.W_OK) else helper.ask_descriptor(OpenTun())
