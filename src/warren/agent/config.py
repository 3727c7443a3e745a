"""The one registry of the agent's configuration: from the text of a file to frozen tables.

Each slice has its table here. A value counts in this order: flag, environment, file, default. All that is wrong comes
at once, in one ConfigError, each with its key and, where it can be found, its line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from warren.agent.settings import (
    DaemonSettings,
    HttpSettings,
    MetricsSettings,
    read_daemon,
    read_http,
    read_metrics,
)
from warren.commands.settings import CommandSettings
from warren.config.command_tables import read_commands
from warren.config.defaults import Defaults
from warren.config.field_names import joined, line_of, toml_word, written
from warren.config.network_table import read_network, read_peer
from warren.config.overrides import Override
from warren.config.peer_headers import NETWORK, lay_out
from warren.config.reader import Report, Table, in_order
from warren.errors import ConfigError, Finding
from warren.tunnel.network import RESERVED_NAME, NetworkConfig, network_name_findings
from warren.tunnel.overlap import clash_findings, network_warnings, overlap_warnings

FILE = "the file"
IN_THIS_VERSION = "expected [network.NAME], [daemon], [http], [metrics] or a table of commands in this version"
LATER_TABLES = ("agent", "device", "mesh", "outbound")
LATER = dict.fromkeys(LATER_TABLES, ("comes with a later version of Warren", IN_THIS_VERSION))
OWNED = "expected [network.NAME] above it, or [[network.NAME.peers]] in its place"
PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")  # of tomllib's messages


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What the agent should be. Paths are ready to be opened: `Defaults.root` stands before each."""

    source: str
    networks: tuple[NetworkConfig, ...]
    """In the order of the file, those that are not enabled too."""
    daemon: DaemonSettings
    http: HttpSettings
    metrics: MetricsSettings
    commands: CommandSettings
    warnings: tuple[Finding, ...] = field(default=(), compare=False)
    """For a person: the agent starts all the same."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """By key, where its value comes from, if it is not the default."""
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def network(self, name: str) -> NetworkConfig | None:
        """The network of that name."""
        return next((network for network in self.networks if network.name == name), None)

    def line(self, key: str) -> int | None:
        """Where `key` stands in the file, or the nearest thing round it that does."""
        return line_of(key, self.lines)


def load_config(text: str, source: str, defaults: Defaults, above: Sequence[Override] = ()) -> AgentConfig:
    """Reads the text of a configuration file; `source` names it in errors, `above` is what counts more than the file.

    Raises ConfigError with every finding.
    """
    layout = lay_out(text)
    values = _parse(layout.text, source)
    report = Report(layout.lines, {override.key: override for override in above})
    config = _read(Table(values, "", report), source, defaults)
    enabled = [network for network in config.networks if network.enabled]
    report.findings.extend(map(report.placed, clash_findings(enabled)))
    if report.findings:
        raise ConfigError(in_order(report.findings), source=source)
    found = (*_warnings(config.networks), *overlap_warnings(enabled), *report.warnings)
    origins = _origins(values, source, report)
    return replace(config, warnings=in_order(map(report.placed, found)), origins=origins, lines=layout.lines)


def _read(root: Table, source: str, defaults: Defaults) -> AgentConfig:
    """Every table of this version. What is wrong is in the report, and stood in for here."""

    def table(name: str) -> Table:
        return root.table(name) or Table({}, name, root.report)

    daemon = read_daemon(table("daemon"), defaults)
    config = AgentConfig(
        source=source,
        networks=tuple(_networks(table(NETWORK), defaults)),
        daemon=daemon,
        http=read_http(table("http"), defaults),
        metrics=read_metrics(table("metrics"), defaults),
        commands=read_commands(table, defaults, daemon.state),
    )
    root.close(LATER)
    return config


def _parse(text: str, source: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        finding = Finding(FILE, "is nested too deep", "expected tables and lists of text")
    except ValueError as error:  # tomllib's own, and int()'s for a number of thousands of digits
        found = PLACE.search(str(error))
        last = text.rstrip("\n").count("\n") + 1
        line = int(found[1] or last) if found else None
        problem = PLACE.sub("", str(error))
        finding = Finding("this line" if line else FILE, f"is no TOML: {problem}", "see toml.io for its rules", line)
    raise ConfigError([finding], source=source)


def _networks(table: Table, defaults: Defaults) -> Iterator[NetworkConfig]:
    for number, name in enumerate(table.names()):
        if name == RESERVED_NAME and table.is_list(name):
            _refuse_ownerless(table, defaults)
            continue
        within = table.table(name, toml_word)
        wrong = [*network_name_findings(name)]
        for finding in wrong:
            table.report.refuse(joined(NETWORK, name), finding.problem, finding.expected)
        if within is not None:
            network = read_network(within, f"network-{number}" if wrong else name, defaults.root, "file")
            yield from () if network is None else (network,)


def _refuse_ownerless(table: Table, defaults: Defaults) -> None:
    """Peers whose header stands above the headers of several networks, or of none (H-05)."""
    for number, peer in enumerate(table.tables(RESERVED_NAME, toml_word)):
        table.report.refuse(peer.key, "is a peer of no network", OWNED)
        read_peer(peer, f"peers[{number}]", defaults.root)


def _warnings(networks: Sequence[NetworkConfig]) -> Iterator[Finding]:
    for network in networks:
        for finding in network_warnings(network):
            yield replace(finding, key=f"{NETWORK}.{network.name}.{written(finding.key, toml_word)}")


def _origins(values: Mapping[str, object], source: str, report: Report) -> dict[str, str]:
    found = {key: f"{source}:{line_of(key, report.lines)}" for key in _keys(values, "")}
    return found | {key: override.origin for key, override in report.overrides.items()}


def _keys(value: object, key: str) -> Iterator[str]:
    """The keys of all values that are no tables."""
    match value:
        case dict():
            for name, each in value.items():
                yield from _keys(each, joined(key, name))
        case [dict(), *_]:
            for number, each in enumerate(value):
                yield from _keys(each, f"{key}[{number}]")
        case _:
            yield key
