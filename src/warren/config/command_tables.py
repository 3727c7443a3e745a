"""The tables that commands go by: [security] [scripts] [sandbox] [containers] [services] [monitoring]."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from warren.commands.settings import (
    DEFAULT_SERVICES,
    CommandSettings,
    ContainerSettings,
    MonitoringSettings,
    OpenVpnSettings,
    PanelSettings,
    SandboxSettings,
    ScriptSettings,
    SecuritySettings,
    ServiceSettings,
)
from warren.config.defaults import Defaults
from warren.config.network_table import path_below
from warren.config.parsers import Parse, checked, duration_in, flag, list_of, login_findings, number_in, text
from warren.config.reader import Table
from warren.config.sizes import amount_in, size_in
from warren.errors import Finding

SCRIPTS = ("openvpn_create", "openvpn_delete", "openvpn_list", "panel_create", "panel_delete", "panel_list")
LEVELS = ("L0", "L1", "L2", "L3")
ARGS_MODES = ("stdin", "argv")
THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]{1,255}", re.ASCII)
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}", re.ASCII)
HOST_NETWORK = "host"
REMOTE = re.compile(r"[A-Za-z0-9.:_-]{1,253} [0-9]{1,5} (?:udp|tcp)[46]?", re.ASCII)
MINUTE_RATE = range(1, 100_001)
ROWS = range(1_000, 10_000_001)
DAY = 86_400
LOGIN: Parse[str] = checked(text, login_findings)


def read_commands(table: Callable[[str], Table], defaults: Defaults, state: str) -> CommandSettings:
    """All of them; `table` gives the one of a name, empty where there is none, `state` is [daemon]'s."""
    return CommandSettings(
        security=_read_security(table("security"), defaults, state),
        audit=f"{state}/audit",
        commands=f"{state}/commands",
        runner=f"{state}/runner",
        scripts=_read_scripts(table("scripts"), defaults),
        sandbox=_read_sandbox(table("sandbox"), defaults),
        containers=_read_containers(table("containers"), defaults),
        services=_read_services(table("services"), defaults),
        monitoring=_read_monitoring(table("monitoring")),
    )


def _matching(pattern: re.Pattern[str], expected: str) -> Parse[str]:
    def findings(value: str) -> Iterator[Finding]:
        if not pattern.fullmatch(value):
            yield Finding("", "is not what it should be", f"expected {expected}")

    return checked(text, findings)


def _one_of(values: tuple[str, ...]) -> Parse[str]:
    return _matching(re.compile("|".join(map(re.escape, values))), " or ".join(values))


def _read_security(table: Table, defaults: Defaults, state: str) -> SecuritySettings:
    path, usual = path_below(defaults.root), SecuritySettings("", "")
    thumbprint = _matching(THUMBPRINT, "the thumbprint that `warren trust init` has printed, 43 characters")
    security = SecuritySettings(
        trust=table.read("trust", path, f"{state}/identity/trust.jws"),
        identity=table.read("identity", path, f"{state}/identity"),
        exec_enable=table.read("exec_enable", flag, False),
        root=table.read("root", list_of(thumbprint), ()),
        rate_per_minute=table.read("rate_per_minute", number_in(MINUTE_RATE), usual.rate_per_minute),
        verb_rate_per_minute=table.read("verb_rate_per_minute", number_in(MINUTE_RATE), usual.verb_rate_per_minute),
        single_use_rows=table.read("single_use_rows", number_in(ROWS), usual.single_use_rows),
        cert_file=table.read("cert_file", path, None),
        key_file=table.read("key_file", path, None),
        ca_file=table.read("ca_file", path, None),
        allowed_clients=table.read("allowed_clients", list_of(text), ()),
    )
    if security.exec_enable and not security.root:
        table.report.refuse(table.key, "lets commands run that nobody can sign", "expected root = [thumbprint]")
    table.close({})
    return security


def _read_scripts(table: Table, defaults: Defaults) -> ScriptSettings:
    path = path_below(defaults.root)
    entries = {name: table.read(name, path, "") for name in SCRIPTS}
    scripts = ScriptSettings(
        entries={name: entry for name, entry in entries.items() if entry},
        scripts_root=table.read("scripts_root", path, None),
        sha256=_by_script(table, "sha256", _matching(SHA256, "64 hexadecimal digits in lower case")),
        args_mode=_by_script(table, "args_mode", _one_of(ARGS_MODES)),
    )
    table.close({})
    return scripts


def _by_script(table: Table, name: str, parse: Parse[str]) -> dict[str, str]:
    within = table.table(name) or Table({}, name, table.report)
    found = {script: within.read(script, parse, "") for script in SCRIPTS}
    within.close({})
    return {script: value for script, value in found.items() if value}


def _read_sandbox(table: Table, defaults: Defaults) -> SandboxSettings:
    usual = SandboxSettings()
    sandbox = SandboxSettings(
        user=table.read("user", LOGIN, None),
        min_level=table.read("min_level", _one_of(LEVELS), usual.min_level),
        max_concurrency=table.read("max_concurrency", number_in(range(1, 65)), usual.max_concurrency),
        queue=table.read("queue", number_in(range(1, 10_001)), usual.queue),
        cmd_timeout_secs=table.read("cmd_timeout_secs", duration_in(range(1, 3_601)), usual.cmd_timeout_secs),
        grace_seconds=table.read("grace_seconds", duration_in(range(61)), usual.grace_seconds),
        max_output_bytes=table.read("max_output_bytes", size_in(range(1_024, (1 << 20) + 1)), usual.max_output_bytes),
        memory_bytes=table.read("memory", size_in(range(1 << 24, 1 << 40)), usual.memory_bytes),
        cpu_seconds=table.read("cpu_seconds", duration_in(range(1, 3_601)), usual.cpu_seconds),
        processes=table.read("processes", number_in(range(1, 4_097)), usual.processes),
        file_bytes=table.read("file_size", size_in(range(1 << 40)), usual.file_bytes),
        writable=table.read("writable", list_of(path_below(defaults.root)), ()),
        network=table.read("network", flag, True),
    )
    table.close({})
    return sandbox


def _read_containers(table: Table, defaults: Defaults) -> ContainerSettings:
    usual = ContainerSettings()
    image = _matching(IMAGE, "the name of an image")
    engine = _one_of(("docker", "podman"))
    memory = size_in(range(1 << 22, (8 << 30) + 1))
    containers = ContainerSettings(
        docker_socket=table.read("docker_socket", path_below(defaults.root), usual.docker_socket),
        container_engine=table.read("container_engine", engine, usual.container_engine),
        base_image=table.read("base_image", image, usual.base_image),
        images=table.read("images", list_of(image), ()),
        max_containers=table.read("max_containers", number_in(range(1, 10_001)), usual.max_containers),
        container_timeout_seconds=table.read(
            "container_timeout_seconds", duration_in(range(1, 30 * DAY + 1)), usual.container_timeout_seconds
        ),
        memory_limit_mb=table.read("memory_limit", memory, usual.memory_limit_mb << 20) >> 20,
        cpu_limit=table.read("cpu_limit", amount_in(0.01, 4), usual.cpu_limit),
        max_memory_mb=table.read("max_memory", memory, usual.max_memory_mb << 20) >> 20,
        max_cpu=table.read("max_cpu", amount_in(0.01, 4), usual.max_cpu),
        pids_limit=table.read("pids_limit", number_in(range(1, 65_537)), usual.pids_limit),
        egress_network=table.read("egress_network", _matching(UNIT, "a network's name"), usual.egress_network),
        network=table.read("network", _matching(UNIT, "a network's name"), usual.network),
    )
    table.close({})
    _judge_containers(table, containers)
    return containers


def _judge_containers(table: Table, containers: ContainerSettings) -> None:
    if containers.memory_limit_mb > containers.max_memory_mb:
        table.report.refuse(f"{table.key}.memory_limit", "is more than there may be", "expected at most max_memory")
    if containers.cpu_limit > containers.max_cpu:
        table.report.refuse(f"{table.key}.cpu_limit", "is more than there may be", "expected at most max_cpu")
    for name, network in (("network", containers.network), ("egress_network", containers.egress_network)):
        if network == HOST_NETWORK or network.startswith("container:"):
            table.report.refuse(f"{table.key}.{name}", "confines nothing", "expected a network of the engine, or none")


def _read_services(table: Table, defaults: Defaults) -> ServiceSettings:
    unit, path = _matching(UNIT, "the name of a unit"), path_below(defaults.root)
    openvpn = table.table("openvpn") if table.is_table("openvpn") else None
    panel = table.table("panel") or Table({}, "", table.report)
    units, watched = dict(DEFAULT_SERVICES), []
    for name in table.names():
        if name == "openvpn" and openvpn is not None:
            units[name] = openvpn.read("unit", unit, units[name])
            watched.append(name)
        elif name not in ("panel", "bootstrap_socket", "bootstrap_group"):
            units[name] = table.read(name, unit, "")
            watched.append(name)
    services = ServiceSettings(
        units=units,
        watched=tuple(watched),
        openvpn=_read_openvpn(openvpn, path),
        panel=PanelSettings(
            htpasswd=panel.read("htpasswd", path, None),
            bcrypt_cost=panel.read("bcrypt_cost", number_in(range(4, 16)), PanelSettings().bcrypt_cost),
        ),
        bootstrap_socket=table.read("bootstrap_socket", path, None),
        bootstrap_group=table.read("bootstrap_group", LOGIN, None),
    )
    panel.close({})
    return services


def _read_openvpn(table: Table | None, path: Parse[str]) -> OpenVpnSettings:
    if table is None:
        return OpenVpnSettings()
    openvpn = OpenVpnSettings(
        directory=table.read("directory", path, None),
        management=table.read("management", path, None),
        remote=table.read("remote", _matching(REMOTE, 'as "vpn.example.com 1194 udp"'), None),
        template=table.read("template", path, None),
    )
    table.close({})
    _judge_openvpn(table, openvpn)
    return openvpn


def _judge_openvpn(table: Table, openvpn: OpenVpnSettings) -> None:
    if openvpn.directory is None:
        return
    if openvpn.remote is None and openvpn.template is None:
        table.report.refuse(table.key, "has users who would not know where to go", "expected remote, or a template")
    if openvpn.management is None:
        problem = "cannot end the sessions of a user who is deleted, or whose time is up"
        table.report.warnings.append(Finding(table.key, problem, "expected management, the path of OpenVPN's socket"))


def _read_monitoring(table: Table) -> MonitoringSettings:
    usual = MonitoringSettings()
    seconds, days = duration_in(range(1, DAY + 1)), number_in(range(1, 3_651))
    monitoring = MonitoringSettings(
        status_interval_seconds=table.read("status_interval_seconds", seconds, usual.status_interval_seconds),
        health_check_interval_seconds=table.read(
            "health_check_interval_seconds", seconds, usual.health_check_interval_seconds
        ),
        max_log_size_mb=table.read("max_log_size_mb", number_in(range(1, 100_001)), usual.max_log_size_mb),
        log_retention_days=table.read("log_retention_days", days, usual.log_retention_days),
    )
    table.close({})
    return monitoring
