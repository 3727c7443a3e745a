"""Reading and writing of networks: the tables [network.NAME] of TOML, and the `config` object of the control socket.

Both surfaces have the same fields and each its own spelling (X-18): snake_case in TOML, camelCase in JSON (H-17).
"""

from __future__ import annotations

from collections.abc import Iterator

from warren.config.defaults import WARREN
from warren.config.field_names import joined
from warren.config.fields import Spelling, respelled
from warren.config.parsers import Plain
from warren.config.reader import Report, Table, read_values, spelled_rejections
from warren.config.toml_writer import Section, nested_sections, plain_values
from warren.errors import ConfigError, Finding
from warren.tunnel.netstack_settings import ForwardSettings, ProxySettings
from warren.tunnel.network import (
    RESERVED_NAME,
    NetworkConfig,
    NetworkPeer,
    Origin,
    network_name_findings,
)

NETWORK = "network"
JSON_KEY = "config"
INLINE_KEY = "inline keys are not allowed"
REJECTED = {
    "private_key": (INLINE_KEY, "expected the path of a key file; make one with: warren genkey --output FILE"),
    "preshared_key": (INLINE_KEY, "expected the path of a key file of mode 0600"),
    "http": ("not a setting of a network", "expected [http] with bind and port"),
    "compression": ("payloads are not compressed, and not padded for that sake", "expected no such key"),
    "adaptive_keepalive": (
        "keepalives are not adapted: the configured value stands",
        "expected persistent_keepalive_secs with the seconds that the path needs",
    ),
}
"""Keys that are rejected with a text of their own: inline keys (H-73), the table of document 000 that is not a
network's (H-07), and what Warren does not do (W-46, W-47)."""
WITHOUT_NETWORK = "expected [network.NAME] above it, or [[network.NAME.peers]] in its place"
ALWAYS = ("private_key_path", "enabled", "interface")
"""Fields of a network that are written even if they have their default, for the reader of the file."""


def read_networks(table: Table) -> Iterator[NetworkConfig]:
    """Yield the networks of the table [network]; problems go into the report."""
    for number, name in enumerate(table.names()):
        if name == RESERVED_NAME and table.is_list(name):
            _reject_peers_without_network(table)
            continue
        within = table.table(name)
        findings = [*network_name_findings(name)]
        for finding in findings:
            table.report.add(joined(NETWORK, name), finding.problem, finding.expected)
        if within is not None:
            network = _read_network(within, f"network-{number}" if findings else name, "file", Spelling.TOML)
            yield from () if network is None else (network,)


def _reject_peers_without_network(table: Table) -> None:
    """Report the peers whose header is above the headers of several networks, or of none (H-05)."""
    for peer in table.tables(RESERVED_NAME):
        table.report.add(peer.key, "peer without a network", WITHOUT_NETWORK)
        _read_peer(peer, Spelling.TOML)


def network_from_json(name: str, config: object, root: str = "") -> NetworkConfig:
    """Return the enabled network `name` that a client of the control socket describes; `root` is put before its paths.

    Raises ConfigError with every finding; keys are those of the object, `config.peers[0].publicKey`.
    """
    report = Report(root=root)
    for finding in network_name_findings(name):
        report.add(NETWORK, finding.problem, finding.expected)
    if not isinstance(config, dict):
        problem = Finding(JSON_KEY, "is not an object", 'expected {"privateKeyPath": "…", …}')
        raise ConfigError([*report.findings, problem])
    table = Table(config, JSON_KEY, report)
    network = _read_network(table, NETWORK if report.findings else name, "control", Spelling.JSON)
    if network is None or report.findings:
        raise ConfigError(report.findings)
    return network


def _read_network(table: Table, name: str, origin: Origin, spelling: Spelling) -> NetworkConfig | None:
    """Return the network, or None if its values contradict each other."""
    peers = tuple(_read_peer(peer, spelling) for peer in table.tables("peers"))
    values = read_values(table, NetworkConfig, WARREN, spelling)
    if origin == "control":
        values["enabled"] = True
    try:
        return NetworkConfig(name=name, peers=peers, origin=origin, **values)
    except ConfigError as error:
        for finding in error.findings:
            key = f"{table.key}.{_spelled(finding.key, spelling)}"
            table.report.add(key, finding.problem, finding.expected)
        return None
    finally:
        _close(table, spelling)


def _read_peer(table: Table, spelling: Spelling) -> NetworkPeer:
    peer = NetworkPeer(**read_values(table, NetworkPeer, WARREN, spelling))
    _close(table, spelling)
    return peer


def _close(table: Table, spelling: Spelling) -> None:
    table.close(spelled_rejections(REJECTED, spelling))


def _spelled(key: str, spelling: Spelling) -> str:
    return respelled(key, NetworkConfig, spelling, NetworkPeer, ForwardSettings, ProxySettings)


def toml_key(key: str) -> str:
    """Return a key of NetworkConfig's findings, `peers[0].persistent_keepalive_seconds`, as TOML spells it."""
    return _spelled(key, Spelling.TOML)


def network_sections(network: NetworkConfig, *, whole: bool = False, root: str = "") -> Iterator[Section]:
    """Yield the sections of a network and its peers; with `whole`, defaults too. `root` is taken off every path."""
    key = f"{NETWORK}.{network.name}"
    usual = None if whole else NetworkConfig(network.name, network.private_key_path)
    yield Section(f"[{key}]", key, plain_values(network, root=root, unless=usual, always=ALWAYS))
    yield from nested_sections(network, key, root, whole=whole)
    for number, peer in enumerate(network.peers):
        yield Section(f"[[{key}.peers]]", f"{key}.peers[{number}]", _peer_values(peer, root, whole=whole))


def _peer_values(peer: NetworkPeer, root: str, *, whole: bool) -> dict[str, Plain]:
    values = plain_values(peer, root=root)
    return {key: value for key, value in values.items() if whole or value != []}
