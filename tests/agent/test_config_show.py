"""`config show`: what it prints loads again and means the same."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.config.strategies import network_configs
from warren.agent.config import TABLE_GROUPS, config_sections, load_config
from warren.config.defaults import defaults_for
from warren.config.reference import reference_tables
from warren.config.toml_writer import encode_toml
from warren.errors import ConfigError
from warren.tunnel.network import NetworkConfig
from warren.tunnel.network_table import network_sections

pytestmark = pytest.mark.unit

PATHS = ['"/a"', '"/a b/\\"c\\""']
VALUES = {
    "daemon": {
        "user": ['"tunnels"'],
        "state": PATHS,
        "key_directories": ["[]", '["/a", "/b"]'],
        "log_level": ['"debug"'],
    },
    "http": {"enabled": ["false"], "bind": ['["10.0.0.1"]'], "port": ["1"], "token": PATHS},
    "metrics": {"aliases": ["true"], "probe_interval_seconds": ['"5m"', "7"]},
    "security": {
        "trust": PATHS,
        "exec_enable": ["true"],
        "root": [f'["{"x" * 43}"]'],
        "rate_per_minute": ["600"],
        "allowed_clients": ['["a\\tb"]'],
        "cert_file": PATHS,
    },
    "scripts": {
        "openvpn_create": PATHS,
        "scripts_root": PATHS,
        "sha256.panel_create": [f'"{"0" * 64}"'],
        "args_mode.panel_list": ['"argv"', '"stdin"'],
    },
    "sandbox": {
        "user": ['"scripts"'],
        "min_level": ['"L0"', '"L3"'],
        "memory": ['"256m"', "16777217"],
        "file_size": ["0", '"1g"', "1025"],
        "max_output_bytes": ["1024", '"3k"'],
        "cmd_timeout_secs": ['"1h"', "1"],
        "writable": ['["/etc/openvpn"]'],
        "network": ["false"],
    },
    "containers": {
        "docker_socket": PATHS,
        "images": ['["busybox:1"]'],
        "memory_limit": ['"1g"', '"5m"'],
        "cpu_limit": ['"0.25"', "1"],
        "max_cpu": ["2", "0.75"],
    },
    "services": {
        "nginx": ['"nginx.service"'],
        "sshd": ['"ssh"'],
        '"a.b"': ['"c@d"'],
        "openvpn": ['"openvpn-server@main"', '{directory = "/etc/openvpn", remote = "a 1 udp"}', "{}"],
        "panel": ['{htpasswd = "/p", bcrypt_cost = 4}'],
        "bootstrap_socket": PATHS,
        "bootstrap_group": ['"www-data"'],
    },
    "monitoring": {"status_interval_seconds": ['"1m30s"'], "log_retention_days": ["1", "3650"]},
}


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A configuration with some keys of each table."""
    parts = []
    for table, keys in VALUES.items():
        chosen = draw(st.lists(st.sampled_from(sorted(keys)), unique=True))
        parts += [f"[{table}]\n", *(f"{key} = {draw(st.sampled_from(keys[key]))}\n" for key in chosen)]
    return "".join(parts)


@pytest.mark.timeout(3600)  # a soak tries 20,000 of them
@given(texts(), network_configs, st.sampled_from(["", "/tree"]))
def test_its_output_means_the_same(text: str, network: NetworkConfig, root: str) -> None:
    defaults = defaults_for("warren", root)
    try:
        config = load_config(f"{text}{encode_toml([*network_sections(network)])}", "f.toml", defaults)
    except ConfigError:
        assume(False)  # values that contradict each other, as a limit above its maximum
        raise
    shown = encode_toml([*config_sections(config, root)])
    assert load_config(shown, "f.toml", defaults) == config
    assert shown == encode_toml([*config_sections(load_config(shown, "f.toml", defaults), root)])


def test_it_has_every_table_and_every_key_with_a_value() -> None:
    config = load_config("", "f.toml", defaults_for("warren"))
    sections = {section.key: section.values.keys() for section in config_sections(config)}
    tables = [table for group in TABLE_GROUPS for table in reference_tables(group)]
    assert sections.keys() == {table.name for table in tables}
    for table in tables:
        assert sections[table.name] == {row.key for row in table.rows if row.default != "unset"}, table.name


def test_each_value_of_a_command_table_has_its_origin() -> None:
    text = '[scripts]\nsha256.panel_create = "' + "0" * 64 + '"\n[services]\nopenvpn = {unit = "a"}\n'
    config = load_config(text, "f.toml", defaults_for("warren"))
    keys = {f"{section.key}.{key}" for section in config_sections(config) for key in section.values}
    assert config.origins == {"scripts.sha256.panel_create": "f.toml:2", "services.openvpn.unit": "f.toml:4"}
    assert config.origins.keys() <= keys
