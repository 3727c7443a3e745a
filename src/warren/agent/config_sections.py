"""The sections of the agent's configuration, as TOML writes them."""

from __future__ import annotations

from collections.abc import Iterator

from warren.agent.config import AgentConfig
from warren.config.toml_writer import Section, network_sections


def agent_sections(config: AgentConfig) -> Iterator[Section]:
    """Everything that a configuration says, defaults too."""
    daemon, http, metrics = config.daemon, config.http, config.metrics
    yield Section(
        "[daemon]",
        "daemon",
        {
            "user": daemon.user,
            "group": daemon.group,
            "socket": daemon.socket,
            "state": daemon.state,
            "key_directories": [*daemon.key_directories],
            "log_level": daemon.log_level,
            "require_mlock": daemon.require_mlock,
        },
    )
    yield Section(
        "[http]",
        "http",
        {
            "enabled": http.enabled,
            "bind": [str(address) for address in http.bind],
            "port": http.port,
            "socket": http.socket,
            "token": http.token,
        },
    )
    yield Section(
        "[metrics]",
        "metrics",
        {"aliases": metrics.aliases, "probe_interval_seconds": metrics.probe_interval_seconds},
    )
    for network in config.networks:
        yield from network_sections(network, whole=True)
