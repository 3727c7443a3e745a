"""The part of the agent's configuration that privilege separation needs, as a structural type.

`warren.agent.config.AgentConfig` satisfies it. Declared here because nothing imports a higher layer for a type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from warren.commands.settings import CommandSettings
from warren.tunnel.network import NetworkConfig


class DaemonSettings(Protocol):
    """[daemon], as far as it names users and files."""

    @property
    def user(self) -> str:
        """User that the agent runs as."""

    @property
    def group(self) -> str:
        """Group whose members may use the control socket."""

    @property
    def socket(self) -> str:
        """Path of the control socket."""

    @property
    def state(self) -> str:
        """State directory."""

    @property
    def key_directories(self) -> tuple[str, ...]:
        """Directories in which a client of the control socket may name key files (H-33)."""


class HttpPaths(Protocol):
    """[http], as far as it names files, and whether they are used."""

    @property
    def socket(self) -> str:
        """Path of the Unix socket of the local HTTP server."""

    @property
    def enabled(self) -> bool:
        """Return whether the local HTTP server runs."""

    @property
    def token(self) -> str:
        """Path of the token file."""

    @property
    def admin_token(self) -> str:
        """Path of the file of the token for changes."""


class ServiceConfig(Protocol):
    """The settings that the helper and the agent's directories depend on."""

    @property
    def source(self) -> str:
        """Path of the configuration file."""

    @property
    def daemon(self) -> DaemonSettings:
        """Paths of [daemon]."""

    @property
    def http(self) -> HttpPaths:
        """Paths of [http]."""

    @property
    def commands(self) -> CommandSettings:
        """Settings of signed commands."""

    @property
    def networks(self) -> Sequence[NetworkConfig]:
        """Every configured network."""
