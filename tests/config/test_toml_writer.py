"""Canonical TOML: read again, it means the same."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.strategies import PUBLIC_KEYS
from warren.agent.config import config_sections, load_config
from warren.config.defaults import defaults_for
from warren.config.toml_writer import encode_toml
from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.network_table import network_sections

from .documents import SEVERAL, with_keys
from .strategies import netstack_configs, network_configs

pytestmark = pytest.mark.unit

WARREN = defaults_for("warren")


@pytest.mark.timeout(3600)  # in a soak there are 20,000 of them, at 8 ms or more each
@given(network_configs | netstack_configs(), st.booleans())
def test_written_network_loads_as_itself(network: NetworkConfig, whole: bool) -> None:
    text = encode_toml([*network_sections(network, whole=whole)])
    assert load_config(text, "f.toml", WARREN).networks == (network,)


def test_network_is_written_without_defaults() -> None:
    network = NetworkConfig("home", "/etc/warren/home.key", peers=(NetworkPeer("office", PUBLIC_KEYS[0]),))
    assert (
        encode_toml([*network_sections(network)])
        == f"""[network.home]
private_key_path = "/etc/warren/home.key"
enable_wireguard = false
interface = "wg0"

[[network.home.peers]]
name = "office"
public_key = "{PUBLIC_KEYS[0]}"
persistent_keepalive_secs = 25
"""
    )


def test_written_configuration_loads_as_itself() -> None:
    text = with_keys(SEVERAL) + '[http]\nport = 9191\n[metrics]\naliases = true\n[daemon]\nlog_level = "debug"\n'
    config = load_config(text, "f.toml", WARREN)
    assert load_config(encode_toml([*config_sections(config)]), "f.toml", WARREN) == config


def test_note_follows_its_key() -> None:
    sections = [*network_sections(NetworkConfig("a", "/k"))]
    text = encode_toml(sections, {"network.a.interface": "default"})
    assert 'interface = "wg0"  # default\n' in text
    assert text.count("#") == 1


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: "\0" not in text))
def test_any_text_is_quoted(text: str) -> None:
    path = "/" + text.replace("..", "dots")
    written = encode_toml([*network_sections(NetworkConfig("a", path))])
    assert tomllib.loads(written)["network"]["a"]["private_key_path"] == path
