"""The settings of signed commands: the tables of documents 001 and 004 with Warren's own keys.

Each attribute is a row (`warren.config.fields`): key, parser, default and documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from warren.config.defaults import WARREN
from warren.config.fields import Settings, key_map, option, program_option, subtable
from warren.config.parsers import (
    FLAG,
    GROUP,
    PATH,
    TEXT,
    USER,
    decimal_in,
    duration_in,
    list_of,
    matching,
    mebibytes_in,
    number_in,
    one_of,
    size_in,
)
from warren.errors import Finding
from warren.local_client import ADMIN_GROUP
from warren.reserved_names import ENGINE_NETWORKS

INBOUND_HTTPS = "inbound HTTPS (ViWorkS gateway agent), not used in this version"
DEFAULT_SERVICES = {"spa": "fwknop-server", "tls_proxy": "stunnel4", "openvpn": "openvpn", "nginx": "nginx"}
OPENVPN = "openvpn"
ROOT_USER = "root"
SCRIPTS = {
    "openvpn_create": "Script that creates an OpenVPN user.",
    "openvpn_delete": "Script that deletes an OpenVPN user.",
    "openvpn_list": "Script that lists OpenVPN users.",
    "panel_create": "Script that creates a panel user.",
    "panel_delete": "Script that deletes a panel user.",
    "panel_list": "Script that lists panel users.",
}
MINUTE_RATE = range(1, 100_001)
USED_NONCES = range(1_000, 10_000_001)
HOUR, DAY = 3_600, 86_400
CONTAINER_MEMORY = range(1 << 22, (8 << 30) + 1)
THUMBPRINT = matching(
    re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII), "a thumbprint of 43 characters, as `warren trust init` prints it"
)
SHA256 = matching(re.compile(r"[0-9a-f]{64}", re.ASCII), "64 hexadecimal digits in lower case")
NAME = re.compile(r"(?!-)[A-Za-z0-9:_.@\\-]{1,255}", re.ASCII)
UNIT = matching(NAME, "the name of a unit")
ENGINE_NETWORK = matching(NAME, "the name of a network of the engine")
IMAGE = matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}", re.ASCII), "the name of an image")
REMOTE = matching(
    re.compile(r"[A-Za-z0-9.:_-]{1,253} [0-9]{1,5} (?:udp|tcp)[46]?", re.ASCII),
    'HOST PORT PROTOCOL, such as "vpn.example.com 1194 udp"',
)


@dataclass(frozen=True, slots=True)
class SecuritySettings(Settings):
    """[security]: the trusted roots, and whether commands run at all."""

    trust: str = program_option(PATH, "File of the trust bundle.", lambda paths: f"{paths.state}/identity/trust.jws")
    identity: str = program_option(PATH, "Directory of the node's keys.", lambda paths: f"{paths.state}/identity")
    exec_enable: bool = option(
        FLAG,
        "Run signed commands; otherwise each is denied with EXEC_DISABLED and audited; a reload disables them at once.",
        default=False,
    )
    root: tuple[str, ...] = option(
        list_of(THUMBPRINT), "Thumbprints of the root keys whose trust bundle is accepted.", default=()
    )
    root_threshold: int = option(
        number_in(range(1, 17)), "Number of the pinned roots that must sign a trust bundle.", default=1
    )
    rate_per_minute: int = option(
        number_in(MINUTE_RATE),
        "Commands per minute of one operator; those without an intent count for the dispatch key.",
        default=60,
    )
    verb_rate_per_minute: int = option(
        number_in(MINUTE_RATE),
        "Commands per minute of one verb; those without an intent are counted for each dispatch key.",
        default=60,
    )
    single_use_rows: int = option(
        number_in(USED_NONCES),
        "Used nonces kept per dispatch key; a full store refuses new commands.",
        default=200_000,
    )
    store_max_mb: int = option(
        number_in(range(64, 1_000_001)),
        "Size of the store of commands and results in MB; a full store refuses new commands, and the last quarter is"
        " for commands with an intent.",
        default=512,
    )
    cert_file: str | None = option(PATH, f"Certificate for {INBOUND_HTTPS}.", default=None)
    key_file: str | None = option(PATH, f"Private key for {INBOUND_HTTPS}.", default=None)
    ca_file: str | None = option(PATH, f"CA certificate for {INBOUND_HTTPS}.", default=None)
    allowed_clients: tuple[str, ...] = option(list_of(TEXT), f"Client names for {INBOUND_HTTPS}.", default=())

    def findings(self) -> Iterator[Finding]:
        """Yield a finding if commands may run but no signer could be trusted."""
        if self.exec_enable and not self.root:
            yield Finding("", "exec_enable needs at least one root", "expected root = [thumbprint]")
        if self.root_threshold > max(1, len(self.root)):
            problem = "exceeds the number of pinned roots: no trust bundle would be accepted"
            yield Finding("root_threshold", problem, f"expected at most {max(1, len(self.root))}")


@dataclass(frozen=True, slots=True)
class ScriptSettings(Settings):
    """[scripts]: an entry takes precedence over the file of that name in `scripts_root` (X-07)."""

    entries: Mapping[str, str] = key_map(PATH, "Scripts by name.", names=SCRIPTS)
    scripts_root: str | None = option(PATH, "Directory of the scripts that have no key of their own.", default=None)
    sha256: Mapping[str, str] = key_map(
        SHA256, "Required SHA-256 of a script; pins of the trust bundle apply as well.", names=SCRIPTS, under="sha256"
    )
    args_mode: Mapping[str, str] = key_map(
        one_of(("stdin", "argv"), "mode"),
        "How a script gets its secret: on standard input (default), or as an argument for old scripts.",
        names=SCRIPTS,
        under="args_mode",
    )


@dataclass(frozen=True, slots=True)
class SandboxSettings(Settings):
    """[sandbox]: how the programs of commands run."""

    user: str | None = option(
        USER,
        "User that scripts run as, neither root nor the agent's; if unset, each run has a user of its own.",
        default=None,
    )
    min_level: str = option(
        one_of(("L0", "L1", "L2", "L3"), "level"),
        "Lowest acceptable isolation level; a host that reaches less refuses programs.",
        default="L1",
    )
    max_concurrency: int = option(number_in(range(1, 65)), "Commands that run at once.", default=4)
    queue: int = option(number_in(range(1, 10_001)), "Commands that wait.", default=100)
    cmd_timeout_secs: int = option(duration_in(range(1, HOUR + 1)), "Run time of a command before SIGTERM.", default=45)
    grace_seconds: int = option(duration_in(range(61)), "Time between SIGTERM and SIGKILL.", default=5)
    max_output_bytes: int = option(
        size_in(range(1_024, (1 << 20) + 1)), "Standard output kept of one program.", default=65_536
    )
    memory_bytes: int = option(
        size_in(range(1 << 24, 1 << 40)), "Address space of one process.", default=512 << 20, key="memory"
    )
    cpu_seconds: int = option(duration_in(range(1, HOUR + 1)), "CPU time of one process.", default=60)
    processes: int = option(number_in(range(1, 4_097)), "Processes of one program.", default=64)
    file_bytes: int = option(
        size_in(range(1 << 40)),
        "Size of one file, and of all temporary files of a program together.",
        default=64 << 20,
        key="file_size",
    )
    writable: tuple[str, ...] = option(
        list_of(PATH), "Directories that scripts may write besides their own.", default=()
    )
    network: bool = option(FLAG, "Give programs the network of the host.", default=True)

    def findings(self) -> Iterator[Finding]:
        """Yield a finding if scripts would run as root."""
        if self.user == ROOT_USER:
            problem = "scripts cannot run as root: they could change every file and socket of root's"
            yield Finding("user", problem, "expected another user, or none for a user of its own in each run")


@dataclass(frozen=True, slots=True)
class ContainerSettings(Settings):
    """[containers] (G-06, X-27)."""

    docker_socket: str = program_option(
        PATH, "Socket of the container engine.", lambda paths: f"{paths.root}/var/run/docker.sock"
    )
    container_engine: str = option(one_of(("docker", "podman"), "engine"), "Container engine.", default="docker")
    base_image: str = option(IMAGE, "Image that containers start from.", default="viworks/chrome:latest")
    images: tuple[str, ...] = option(list_of(IMAGE), "Other images that a command may name.", default=())
    max_containers: int = option(number_in(range(1, 10_001)), "Containers at once.", default=50)
    container_timeout_seconds: int = option(
        duration_in(range(1, 30 * DAY + 1)), "Lifetime of a container.", default=HOUR
    )
    memory_limit_mb: int = option(
        mebibytes_in(CONTAINER_MEMORY), "Memory if a command does not name any.", default=512, key="memory_limit"
    )
    cpu_limit: float = option(decimal_in(0.01, 4), "CPUs if a command does not name any.", default=0.5)
    max_memory_mb: int = option(
        mebibytes_in(CONTAINER_MEMORY), "Most memory that a command may ask for.", default=8192, key="max_memory"
    )
    max_cpu: float = option(decimal_in(0.01, 4), "Most CPUs that a command may ask for.", default=4)
    pids_limit: int = option(number_in(range(1, 65_537)), "Processes in a container.", default=256)
    egress_network: str = option(ENGINE_NETWORK, "Network of a container with `egress_profile` strict.", default="none")
    network: str = option(ENGINE_NETWORK, "Network of every other container.", default="bridge")

    def findings(self) -> Iterator[Finding]:
        """Yield defaults that exceed their maximum, and networks that do not isolate."""
        if self.memory_limit_mb > self.max_memory_mb:
            yield Finding("memory_limit_mb", "exceeds max_memory", "expected at most max_memory")
        if self.cpu_limit > self.max_cpu:
            yield Finding("cpu_limit", "exceeds max_cpu", "expected at most max_cpu")
        for key, network in (("network", self.network), ("egress_network", self.egress_network)):
            if problem := engine_network_problem(network):
                yield Finding(key, problem, "expected a network of the engine, or none")


def engine_network_problem(network: str) -> str | None:
    """Return why a container may not use a network, or None: the engine understands some names as modes."""
    mode, colon, _ = network.partition(":")
    if mode == "host":
        return "host network is not allowed"
    if mode == "container":
        return "network of another container is not allowed"
    if colon:
        return f"network mode {mode} is not allowed"
    meaning = ENGINE_NETWORKS.meaning(network)
    return None if meaning is None else f"{network} is reserved for {meaning}"


@dataclass(frozen=True, slots=True)
class OpenVpnSettings(Settings):
    """[services.openvpn]: users of the built-in OpenVPN provider."""

    directory: str | None = option(
        PATH, "Directory of pki/, users/ and certs/; if unset, scripts manage users.", default=None
    )
    management: str | None = option(PATH, "OpenVPN's management socket (Unix).", default=None)
    remote: str | None = option(REMOTE, "Address that client profiles connect to.", default=None)
    template: str | None = option(PATH, "File whose lines each client profile begins with.", default=None)
    unit: str | None = option(UNIT, "Unit of the OpenVPN server; `openvpn` if unset.", default=None)

    def findings(self) -> Iterator[Finding]:
        """Yield a finding if client profiles would name no server."""
        if self.directory is not None and self.remote is None and self.template is None:
            yield Finding("", "needs remote or template", "expected the address that client profiles connect to")

    def warnings(self) -> Iterator[Finding]:
        """Yield a warning if sessions cannot be ended."""
        if self.directory is not None and self.management is None:
            problem = "sessions of a deleted or expired user stay connected"
            yield Finding("", problem, "expected management, the path of OpenVPN's management socket")


@dataclass(frozen=True, slots=True)
class PanelSettings(Settings):
    """[services.panel]: users of a web panel."""

    htpasswd: str | None = option(PATH, "Password file that nginx reads; if unset, scripts manage users.", default=None)
    bcrypt_cost: int = option(number_in(range(4, 16)), "Cost of a password hash.", default=10)


@dataclass(frozen=True, slots=True)
class ServiceSettings(Settings):
    """[services]: the services that commands name, and their units."""

    named: Mapping[str, str] = key_map(
        UNIT,
        "Unit of the service NAME, which is then monitored: a condition is reported while it is not running.",
        names=None,
    )
    openvpn: OpenVpnSettings = subtable(
        OpenVpnSettings, "Users of the built-in OpenVPN provider; a text in its place is `unit`.", shorthand="unit"
    )
    panel: PanelSettings = subtable(PanelSettings, "Users of a web panel behind nginx.")
    bootstrap_socket: str | None = option(PATH, "Socket at which nginx asks for bootstrap sessions.", default=None)
    bootstrap_group: str | None = option(GROUP, "Group that may use the bootstrap socket.", default=None)

    @property
    def units(self) -> Mapping[str, str]:
        """The unit of each service, defaults too."""
        openvpn = {} if self.openvpn.unit is None else {OPENVPN: self.openvpn.unit}
        return {**DEFAULT_SERVICES, **self.named, **openvpn}

    @property
    def watched(self) -> tuple[str, ...]:
        """The services that the configuration names: a condition is reported while one is not running."""
        return (*self.named, *(() if self.openvpn == OpenVpnSettings() else (OPENVPN,)))


@dataclass(frozen=True, slots=True)
class MonitoringSettings(Settings):
    """[monitoring] (G-05)."""

    status_interval_seconds: int = option(
        duration_in(range(1, DAY + 1)), "Time between two measurements of the host's load.", default=30
    )
    health_check_interval_seconds: int = option(
        duration_in(range(1, DAY + 1)), "Time between two checks of the services.", default=60
    )
    max_log_size_mb: int = option(number_in(range(1, 100_001)), "Size of one file of the audit log in MB.", default=100)
    log_retention_days: int = option(number_in(range(1, 3_651)), "Days that the audit log is kept.", default=30)
    audit_log_max_mb: int = option(
        number_in(range(16, 10_000_001)),
        "Size of the whole audit log in MB; a full log refuses new commands, and the last quarter is for commands with"
        " an intent.",
        default=4096,
    )


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """All settings of signed commands, and the directories of their records."""

    security: SecuritySettings = subtable(SecuritySettings, "Trust in signers, and whether commands run.")
    audit: str = f"{WARREN.state}/audit"
    """The directory of the audit log."""
    commands: str = f"{WARREN.state}/commands"
    """The directory of the agent's command records."""
    runner: str = f"{WARREN.state}/runner"
    """The directory of the runner's command records, which only root may access."""
    scripts: ScriptSettings = subtable(ScriptSettings, "Scripts that commands start.")
    sandbox: SandboxSettings = subtable(SandboxSettings, "Isolation and limits of the programs of commands.")
    containers: ContainerSettings = subtable(ContainerSettings, "Containers that commands start.")
    services: ServiceSettings = subtable(ServiceSettings, "Services that commands manage.")
    monitoring: MonitoringSettings = subtable(MonitoringSettings, "Monitoring of the host, and the audit log's size.")
    user: str = WARREN.user
    """The user of the agent, as which no program runs."""
    admin_group: str = ADMIN_GROUP
    """The group whose members control the agent, which no program has."""
