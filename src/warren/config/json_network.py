"""The `config` object of the control socket (document 000), to a network (H-17, X-18): camelCase alone."""

from __future__ import annotations

from warren.config.field_names import json_word
from warren.config.network_table import read_network
from warren.config.reader import Report, Table
from warren.errors import ConfigError, Finding
from warren.tunnel.network import NetworkConfig, network_name_findings

KEY = "config"


def network_from_json(name: str, config: object, root: str = "") -> NetworkConfig:
    """The network `name` as a client describes it, wanted up; `root` is put before its paths.

    Raises ConfigError with every finding; keys are those of the object, `config.peers[0].publicKey`.
    """
    report = Report()
    for finding in network_name_findings(name):
        report.refuse("network", finding.problem, finding.expected)
    if not isinstance(config, dict):
        raise ConfigError([*report.findings, Finding(KEY, "is no object", 'expected {"privateKeyPath": "…", …}')])
    network = read_network(
        Table(config, KEY, report, json_word), "network" if report.findings else name, root, "control"
    )
    if network is None or report.findings:
        raise ConfigError(report.findings)
    return network
