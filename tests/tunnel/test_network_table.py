"""The `config` object of the control socket: the same networks as in TOML, in camelCase (H-17, X-18)."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.strategies import netstack_configs, network_configs
from tests.project.conftest import ROOT
from tests.tunnel.strategies import PRIVATE_KEYS, PUBLIC_KEYS
from warren.agent.config import load_config
from warren.config.defaults import defaults_for
from warren.config.field_names import camel_case
from warren.config.fields import Spelling
from warren.config.toml_writer import encode_toml, plain_values
from warren.errors import ConfigError
from warren.tunnel.config import Endpoint
from warren.tunnel.network import NetworkConfig
from warren.tunnel.network_table import network_from_json, network_sections

pytestmark = pytest.mark.unit

KEY = str(PUBLIC_KEYS[0])
OURS = {
    "interface": "wg0",
    "mtu": 1420,
    "privateKeyPath": "/etc/harmony-agent/private.key",
    "dns": ["10.100.0.2"],
    "peers": [
        {
            "name": "peer1",
            "publicKey": "a key=",
            "endpoint": "vpn.example.com:51820",
            "allowedIps": ["10.42.0.0/16"],
            "keepaliveSecs": 25,
        }
    ],
}
DOCUMENTS = [
    json.loads(block)["config"]
    for path in (ROOT.parent / "shared" / "seeds").glob("000_*.txt")
    for block in re.findall(r"```json\n(.*?)```", path.read_text(), re.DOTALL)
]
"""Of the document itself, where it is at hand."""


def as_json(network: NetworkConfig) -> dict[str, object]:
    """The `config` of a request for it."""
    peers = [plain_values(peer, Spelling.JSON) for peer in network.peers]
    tables = ("exit_node", "socks5", "http_proxy", "mixed", "netstack")
    within = {camel_case(name): plain_values(getattr(network, name), Spelling.JSON) for name in tables}
    forwards = [plain_values(each, Spelling.JSON) for each in network.forwards]
    routes = {domain: [*map(str, servers)] for domain, servers in network.dns_routes.items()}
    values = plain_values(replace(network, dns_routes={}), Spelling.JSON)
    return {**values, **within, "dnsRoutes": routes, "forwards": forwards, "peers": peers}


def finding_keys(config: object, name: str = "a") -> list[str]:
    """The key of every finding."""
    with pytest.raises(ConfigError) as error:
        network_from_json(name, config)
    assert all(finding.line is None for finding in error.value.findings)
    return [finding.key for finding in error.value.findings]


@pytest.mark.parametrize("config", [OURS, *DOCUMENTS])
def test_examples_of_the_documents_load(config: dict[str, object]) -> None:
    assert finding_keys(config) == ["config.peers[0].publicKey"]
    text = json.dumps(config)
    network = network_from_json("default", json.loads(re.sub(r'("publicKey": )"[^"]*"', rf'\1"{KEY}"', text)))
    assert (network.name, network.interface, network.mtu, network.enabled) == ("default", "wg0", 1420, True)
    assert network.private_key_path == "/etc/harmony-agent/private.key"
    (peer,) = network.peers
    assert (peer.name, peer.public_key, peer.persistent_keepalive_seconds) == ("peer1", PUBLIC_KEYS[0], 25)
    assert peer.endpoint == Endpoint("vpn.example.com", 51820)


@given(network_configs | netstack_configs())
def test_json_equals_toml(network: NetworkConfig) -> None:
    """H-17."""
    from_json = network_from_json(network.name, json.loads(json.dumps(as_json(network))))
    text = encode_toml([*network_sections(network)])
    (from_toml,) = load_config(text, "f.toml", defaults_for("warren")).networks
    assert from_json == replace(from_toml, enabled=True, origin="control")


def test_root_is_put_before_its_paths() -> None:
    config = {"privateKeyPath": "/k", "peers": [{"name": "p", "publicKey": KEY, "presharedKeyPath": "/p"}]}
    network = network_from_json("a", config, "/tree")
    assert (network.private_key_path, network.peers[0].preshared_key_path) == ("/tree/k", "/tree/p")


def test_toml_spelling_is_rejected_in_json() -> None:
    """X-18."""
    peer = {"name": "p", "public_key": KEY, "allowed_ips": [], "persistent_keepalive_secs": 25}
    assert finding_keys({"private_key_path": "/k", "listen_port": 1, "peers": [peer]}) == [
        "config.peers[0].publicKey",
        "config.peers[0].public_key",
        "config.peers[0].allowed_ips",
        "config.peers[0].persistent_keepalive_secs",
        "config.privateKeyPath",
        "config.private_key_path",
        "config.listen_port",
    ]


def test_every_problem_is_reported_at_once() -> None:
    config = {
        "interface": "wg/0",
        "mtu": None,
        "privateKeyPath": "../k",
        "address": ["10.0.0.1/24", {}],
        "http": {"bindPort": 9090},
        "enableWireguard": True,
        "peers": [{"name": "p", "publicKey": KEY}, {"name": "p", "publicKey": KEY}, []],
    }
    assert finding_keys(config, "a/b") == [
        "network",
        "config.peers[2]",
        "config.privateKeyPath",
        "config.interface",
        "config.mtu",
        "config.address[1]",
        "config.peers[1].publicKey",
        "config.peers[1].name",
        "config.http",
        "config.enableWireguard",
    ]


@pytest.mark.security
def test_inline_secret_is_rejected_and_not_repeated() -> None:
    """H-73."""
    secret = PRIVATE_KEYS[0].to_base64()
    with pytest.raises(ConfigError) as error:
        network_from_json("a", {"privateKey": secret, "privateKeyPath": secret})
    assert secret[:20] not in str(error.value)
    assert "config.privateKey: inline keys are not allowed" in str(error.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["peers", "mtu", "dns", "privateKeyPath", "name", "http"]) | st.text(), inner
            )
        ),
    )
)
def test_any_value_is_a_network_or_raises_config_error(config: object) -> None:
    with contextlib.suppress(ConfigError):
        network_from_json("a", config)
