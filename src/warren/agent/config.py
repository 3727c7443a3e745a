"""The configuration of the agent: from the text of a file to frozen settings, and back.

This module knows every table; the rows of a table are in the settings class of its slice. Precedence: flag,
environment, file, default. One ConfigError reports all problems, each with its key and, where it is known, its line.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from warren.agent.settings import DaemonSettings, HttpSettings, MetricsSettings
from warren.commands.settings import CommandSettings
from warren.config.defaults import WARREN, Defaults
from warren.config.field_names import joined, line_of
from warren.config.fields import subtable
from warren.config.lazy import LazyMapping
from warren.config.overrides import Override
from warren.config.reader import Report, Table, in_order, parse_toml, read_values
from warren.config.toml_writer import Section, nested_sections
from warren.errors import ConfigError, Finding
from warren.local_client import ADMIN_GROUP
from warren.tunnel.network import NetworkConfig
from warren.tunnel.network_table import NETWORK, network_sections, read_networks, toml_key
from warren.tunnel.overlap import clash_findings, mark_warnings, network_warnings, overlap_warnings
from warren.tunnel.peer_headers import expand_peer_headers

ENABLED_KEY = "enable_wireguard"
UNSUPPORTED_TABLES = ("agent", "device", "mesh", "outbound")
UNSUPPORTED = (
    "not supported in this version",
    "expected [network.NAME], [daemon], [http], [metrics] or a table of signed commands",
)


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """The configuration of one agent. Paths are ready to be opened: `Defaults.root` is put before each."""

    source: str
    networks: tuple[NetworkConfig, ...]
    """In the order of the file, including those that are not enabled."""
    daemon: DaemonSettings = subtable(DaemonSettings, "The process of the agent, and the paths of its files.")
    http: HttpSettings = subtable(HttpSettings, "The local HTTP server.")
    metrics: MetricsSettings = subtable(MetricsSettings, "Names of metrics, and the measurement of peers.")
    commands: CommandSettings = CommandSettings()  # noqa: RUF009, frozen
    warnings: tuple[Finding, ...] = field(default=(), compare=False)
    """Findings that do not keep the agent from starting."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The source of each value that is not the default, by key."""
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def network(self, name: str) -> NetworkConfig | None:
        """Return the network of that name, or None."""
        return next((network for network in self.networks if network.name == name), None)

    def explicitly_disabled(self) -> frozenset[str]:
        """Return the names of the networks that the file disables by `enable_wireguard = false`."""
        disabled = (network.name for network in self.networks if not network.enabled)
        return frozenset(name for name in disabled if f"{NETWORK}.{name}.{ENABLED_KEY}" in self.origins)

    def line(self, key: str) -> int | None:
        """Return the line of `key` in the file, or of the nearest enclosing key."""
        return line_of(key, self.lines)


TABLE_GROUPS: tuple[type[object], ...] = (AgentConfig, CommandSettings)
"""The classes whose rows are the tables at the top of the file, besides [network.NAME]."""


def load_config(text: str, source: str, defaults: Defaults, overrides: Sequence[Override] = ()) -> AgentConfig:
    """Return the configuration of a file; `source` names the file in errors, `overrides` take precedence over it.

    Raises ConfigError with every finding.
    """
    with collection_paused():
        return _load(text, source, defaults, overrides)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector: a large file becomes many objects at once, and none of them is in a cycle."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _load(text: str, source: str, defaults: Defaults, overrides: Sequence[Override]) -> AgentConfig:
    layout = expand_peer_headers(text)
    values = parse_toml(layout.text, source)
    report = Report(layout.lines, {override.key: override for override in overrides}, defaults.root)
    config = _read(Table(values, "", report), source, defaults)
    enabled = [network for network in config.networks if network.enabled]
    report.findings.extend(map(report.with_line, (*clash_findings(enabled), *_sandbox_findings(config))))
    if report.findings:
        raise ConfigError(in_order(report.findings), source=source)
    between = (*overlap_warnings(enabled), *mark_warnings(enabled))
    warnings = (*_network_warnings(config.networks), *between, *report.warnings)
    origins = LazyMapping(lambda: _origins(values, source, report))
    return replace(config, warnings=in_order(map(report.with_line, warnings)), origins=origins, lines=layout.lines)


def _read(root: Table, source: str, defaults: Defaults) -> AgentConfig:
    """Return every table. Problems are in the report, and a default takes the place of an invalid value."""
    networks = tuple(read_networks(root.table(NETWORK) or Table({}, NETWORK, root.report)))
    own = read_values(root, AgentConfig, defaults)
    state = own["daemon"].state
    commands = CommandSettings(
        audit=f"{state}/audit",
        commands=f"{state}/commands",
        user=own["daemon"].user,
        admin_group=ADMIN_GROUP if defaults.program == WARREN.program else own["daemon"].group,
        runner=f"{state}/runner",
        **read_values(root, CommandSettings, replace(defaults, state=state)),
    )
    root.close(dict.fromkeys(UNSUPPORTED_TABLES, UNSUPPORTED))
    return AgentConfig(source=source, networks=networks, commands=commands, **own)


def config_sections(config: AgentConfig, root: str = "") -> Iterator[Section]:
    """Yield every table with every value, defaults too. `root` is taken off every path."""
    yield from nested_sections(config, root=root)
    yield from nested_sections(config.commands, root=root)
    for network in config.networks:
        yield from network_sections(network, whole=True, root=root)


def _sandbox_findings(config: AgentConfig) -> Iterator[Finding]:
    """Yield a finding if scripts would run as the agent's user: they could use its keys and its sockets."""
    if config.commands.sandbox.user == config.daemon.user:
        problem = "scripts cannot run as the agent's own user: they could read its keys"
        yield Finding("sandbox.user", problem, "expected another user, or none for a user of its own in each run")


def _network_warnings(networks: Sequence[NetworkConfig]) -> Iterator[Finding]:
    for network in networks:
        for finding in network_warnings(network):
            yield replace(finding, key=f"{NETWORK}.{network.name}.{toml_key(finding.key)}")


def _origins(values: Mapping[str, object], source: str, report: Report) -> dict[str, str]:
    by_file = {key: f"{source}:{line_of(key, report.lines)}" for key in _keys(values, "")}
    return by_file | {key: override.origin for key, override in report.overrides.items()}


def _keys(value: object, key: str) -> Iterator[str]:
    """Yield the keys of all values that are not tables."""
    match value:
        case dict():
            for name, within in value.items():
                yield from _keys(within, joined(key, name))
        case [dict(), *_]:
            for number, within in enumerate(value):
                yield from _keys(within, f"{key}[{number}]")
        case _:
            yield key
