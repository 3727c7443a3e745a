"""The settings of the agent itself: [daemon], [http] and [metrics].

Each attribute is a row (`warren.config.fields`): key, parser, default and documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from warren.config.fields import Settings, Variable, option, program_option
from warren.config.parsers import (
    FLAG,
    GROUP,
    IP_ADDRESS,
    PATH,
    TEXT,
    USER,
    IPAddress,
    checked,
    duration_in,
    list_of,
    number_in,
    one_of,
)
from warren.errors import Finding, redacted_repr
from warren.tunnel.config import HOST_LABEL, HOST_NAME_CHARACTERS, PORT

LogLevel = Literal["error", "warning", "info", "debug"]
LOG_LEVELS: tuple[LogLevel, ...] = ("error", "warning", "info", "debug")
LOOPBACK: tuple[IPAddress, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))  # H-67
# RUST_LOG has one level more than Warren, and another spelling of "warning".
RUST_LEVELS = {"error": "error", "warn": "warning", "info": "info", "debug": "debug", "trace": "debug"}
PROBE_INTERVAL = range(1, 86_401)  # a measurement older than a day is of no use


def level_of_filters(text: str) -> str | None:
    """Return the level that the filters of RUST_LOG set for everything, or None; those of single modules do not count.

    The last one counts (X-33).
    """
    levels = (RUST_LEVELS.get(word.strip().lower()) for word in text.split(","))
    return next(reversed([level for level in levels if level]), None)


def host_name_findings(name: str) -> Iterator[Finding]:
    """Yield a finding if `name` is not that of a host, as `Host:` has it before the port."""
    if len(name) > HOST_NAME_CHARACTERS or not all(map(HOST_LABEL.fullmatch, name.removesuffix(".").split("."))):
        problem = f"invalid host name {redacted_repr(name)}"
        yield Finding("", problem, "expected a name such as node.example.org, without a port")


HOST_NAME = checked(TEXT, host_name_findings, "host name")


@dataclass(frozen=True, slots=True)
class DaemonSettings(Settings):
    """[daemon]: the process, and the paths of its files."""

    user: str = program_option(USER, "User that the agent runs as.", lambda program: program.user)
    group: str = program_option(GROUP, "Group that may connect to the agent's sockets.", lambda program: program.group)
    socket: str = program_option(PATH, "Control socket.", lambda program: program.socket)
    state: str = program_option(PATH, "State directory.", lambda program: program.state)
    key_directories: tuple[str, ...] = program_option(
        list_of(PATH),
        "Directories in which a client of the control socket may name key files.",
        lambda program: (program.keys,),
    )
    log_level: LogLevel = option(
        one_of(LOG_LEVELS, "level"),
        "Least severe messages that are logged.",
        default="info",
        environment=(Variable("VIW_AGENT_LOG_LEVEL", str.lower), Variable("RUST_LOG", level_of_filters)),
    )
    require_mlock: bool = option(FLAG, "Refuse to start if memory for keys cannot be locked.", default=False)


@dataclass(frozen=True, slots=True)
class HttpSettings(Settings):
    """[http]: the local HTTP server."""

    socket: str = program_option(PATH, "Unix socket of the local HTTP server.", lambda program: program.http_socket)
    token: str = program_option(
        PATH,
        "File of the token that TCP clients need for more than health and metrics.",
        lambda program: program.http_token,
    )
    admin_token: str = program_option(
        PATH,
        "File of the token that TCP clients need to change something, which only root and the agent's user can read.",
        lambda program: program.http_admin_token,
    )
    enabled: bool = option(FLAG, "Run the local HTTP server.", default=True)
    bind: tuple[IPAddress, ...] = option(list_of(IP_ADDRESS), "Addresses to listen on.", default=LOOPBACK)
    port: int = option(number_in(range(1, PORT.stop)), "TCP port to listen on.", default=9090)
    names: tuple[str, ...] = option(
        list_of(HOST_NAME),
        "Names by which clients may address the server, beside localhost and the names of this host.",
        default=(),
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings(Settings):
    """[metrics]: the names of metrics, and the measurement of peers."""

    aliases: bool = program_option(
        FLAG, "Export metrics under the names of the other interfaces too.", lambda program: program.aliases
    )
    probe_interval_seconds: int = option(
        duration_in(PROBE_INTERVAL), "Time between two measurements of latency and loss.", default=15
    )
