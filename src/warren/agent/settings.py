"""The tables of the agent beside its networks: [daemon], [http] and [metrics]."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from warren.config.defaults import Defaults
from warren.config.network_table import path_below
from warren.config.parsers import (
    checked,
    duration_in,
    flag,
    list_of,
    login_findings,
    number_in,
    parse_ip,
    text,
    text_as,
)
from warren.config.reader import Table
from warren.errors import ConfigError, Finding, redacted_repr
from warren.tunnel.config import PORT
from warren.tunnel.network import IPAddress

LogLevel = Literal["error", "warning", "info", "debug"]
LOOPBACK: tuple[IPAddress, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))  # H-67
DEFAULT_HTTP_PORT = 9090
DEFAULT_PROBE_SECONDS = 15
PROBE = range(1, 86_401)  # a figure that is older than a day says nothing of now


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """[daemon]: what the process is and where its own files lie."""

    user: str
    group: str
    socket: str
    state: str
    key_directories: tuple[str, ...]
    """Where a client of the control socket may name key files (H-33)."""
    log_level: LogLevel = "info"
    require_mlock: bool = False
    """Whether a start without locked memory for keys is refused (H-77)."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """[http]: the local HTTP server."""

    socket: str
    token: str
    """The file whose token opens more than health and metrics on TCP."""
    enabled: bool = True
    bind: tuple[IPAddress, ...] = LOOPBACK
    port: int = DEFAULT_HTTP_PORT


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """[metrics]: names of metrics, and how often peers are measured."""

    aliases: bool = False
    """Whether the documents' own names come out beside `warren_*`."""
    probe_interval_seconds: int = DEFAULT_PROBE_SECONDS


def parse_log_level(written: str) -> LogLevel:
    """One of the four levels."""
    match written:
        case "error":
            return "error"
        case "warning":
            return "warning"
        case "info":
            return "info"
        case "debug":
            return "debug"
        case _:
            raise ConfigError(
                [Finding("", f"{redacted_repr(written)} is no level", "expected error, warning, info or debug")]
            )


def read_daemon(table: Table, defaults: Defaults) -> DaemonSettings:
    """[daemon]."""
    login, path = checked(text, login_findings), path_below(defaults.root)
    user = table.read("user", login, defaults.user)
    level: LogLevel = "info"
    daemon = DaemonSettings(
        user=user,
        group=table.read("group", login, defaults.group),
        socket=table.read("socket", path, defaults.socket),
        state=table.read("state", path, defaults.state),
        key_directories=table.read("key_directories", list_of(path), (defaults.keys,)),
        log_level=table.read("log_level", text_as(parse_log_level), level),
        require_mlock=table.read("require_mlock", flag, False),
    )
    table.close({})
    return daemon


def read_http(table: Table, defaults: Defaults) -> HttpSettings:
    """[http]."""
    path = path_below(defaults.root)
    http = HttpSettings(
        socket=table.read("socket", path, defaults.http_socket),
        token=table.read("token", path, defaults.http_token),
        enabled=table.read("enabled", flag, True),
        bind=table.read("bind", list_of(text_as(parse_ip)), LOOPBACK),
        port=table.read("port", number_in(range(1, PORT.stop)), DEFAULT_HTTP_PORT),
    )
    table.close({})
    return http


def read_metrics(table: Table, defaults: Defaults) -> MetricsSettings:
    """[metrics]."""
    metrics = MetricsSettings(
        aliases=table.read("aliases", flag, defaults.aliases),
        probe_interval_seconds=table.read("probe_interval_seconds", duration_in(PROBE), DEFAULT_PROBE_SECONDS),
    )
    table.close({})
    return metrics
