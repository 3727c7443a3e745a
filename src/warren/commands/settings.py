"""The tables of the configuration that commands go by: documents 001 and 004, and ours where they are silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_SERVICES = {"spa": "fwknop-server", "tls_proxy": "stunnel4", "openvpn": "openvpn", "nginx": "nginx"}


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """[security]: whose word counts, and whether any does."""

    trust: str
    """The trust bundle's file."""
    identity: str
    """The directory of the node's keys."""
    exec_enable: bool = False
    """Only the owner, on the node, says that commands run here (trust.md)."""
    root: tuple[str, ...] = ()
    """Thumbprints of root keys that may sign the bundle; none is none."""
    rate_per_minute: int = 60
    """Of one actor (V-63)."""
    verb_rate_per_minute: int = 60
    """Of one verb."""
    single_use_rows: int = 200_000
    """How many are kept of one dispatch key; a full store refuses new work."""
    cert_file: str | None = None
    key_file: str | None = None
    ca_file: str | None = None
    allowed_clients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """[scripts]: an entry of a name wins over `scripts_root` and the name's own file there (X-07)."""

    entries: Mapping[str, str] = field(default_factory=dict)
    scripts_root: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    """By name, what the owner pins; the trust bundle's pins count as well."""
    args_mode: Mapping[str, str] = field(default_factory=dict)
    """By name, `argv` for old scripts that take the secret there; `stdin` else (V-58)."""


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """[sandbox]: how effects run."""

    user: str | None = None
    """Whom scripts run as; None is a user of their own, for each command another, of those that nobody else has."""
    min_level: str = "L1"
    """A host that reaches less refuses scripts."""
    max_concurrency: int = 4
    queue: int = 100
    cmd_timeout_secs: int = 45
    grace_seconds: int = 5
    """Between TERM and KILL."""
    max_output_bytes: int = 65_536
    memory_bytes: int = 512 << 20
    cpu_seconds: int = 60
    processes: int = 64
    file_bytes: int = 64 << 20
    writable: tuple[str, ...] = ()
    """Directories that scripts may write beside their own."""
    network: bool = True


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """[containers] (G-06, X-27)."""

    docker_socket: str = "/var/run/docker.sock"
    container_engine: str = "docker"
    base_image: str = "viworks/chrome:latest"
    images: tuple[str, ...] = ()
    """What else may be started."""
    max_containers: int = 50
    container_timeout_seconds: int = 3600
    memory_limit_mb: int = 512
    """Where a command does not say."""
    cpu_limit: float = 0.5
    max_memory_mb: int = 8192
    max_cpu: float = 4
    pids_limit: int = 256
    egress_network: str = "none"
    """The engine's network of a container with `egress_profile` strict."""
    network: str = "bridge"
    """That of the others."""


@dataclass(frozen=True, slots=True)
class OpenVpnSettings:
    """[services.openvpn] beside `unit`: users of the built-in provider."""

    directory: str | None = None
    """Where `pki/`, `users/` and `certs/` are; None where scripts make users."""
    management: str | None = None
    """OpenVPN's management socket (Unix)."""
    remote: str | None = None
    """What `USER.ovpn` dials: HOST PORT PROTOCOL."""
    template: str | None = None
    """A file whose lines each `USER.ovpn` begins with."""


@dataclass(frozen=True, slots=True)
class PanelSettings:
    """[services.panel]."""

    htpasswd: str | None = None
    """The file that nginx reads; None where scripts make users."""
    bcrypt_cost: int = 10


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """[services]: the documents' words and the units behind them."""

    units: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_SERVICES))
    watched: tuple[str, ...] = ()
    """Those that the owner has named: that one of them does not run is worth a person's look."""
    openvpn: OpenVpnSettings = OpenVpnSettings()
    panel: PanelSettings = PanelSettings()
    bootstrap_socket: str | None = None
    """Where nginx asks for bootstrap sessions; None is nowhere."""
    bootstrap_group: str | None = None


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    """[monitoring] (G-05)."""

    status_interval_seconds: int = 30
    health_check_interval_seconds: int = 60
    max_log_size_mb: int = 100
    log_retention_days: int = 30


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """All of them."""

    security: SecuritySettings
    audit: str
    """The directory of the audit log."""
    commands: str
    """The directory of single use and records."""
    runner: str = "/var/lib/warren/runner"
    """The same of the runner; root's alone."""
    scripts: ScriptSettings = ScriptSettings()
    sandbox: SandboxSettings = SandboxSettings()
    containers: ContainerSettings = ContainerSettings()
    services: ServiceSettings = ServiceSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
