"""The tables of a network stack, from configurations (rows W-10, W-11, W-39)."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from tests.tunnel.strategies import PRIVATE_KEYS, PUBLIC_KEYS
from warren.agent.config import load_config
from warren.config.defaults import WARREN
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.netstack import interface_tables, stack_tables

pytestmark = pytest.mark.unit

TEXT = f"""
[network.a]
private_key_path = "/k"
backend = "netstack"
address = ["10.9.0.2/24", "fd42:1::2/64"]
mtu = 1380
dns = ["10.0.0.53"]
dns_rebind_allow = ["lan.corp.example"]
dns_routes = {{ "corp.example" = ["10.0.0.54"] }}
socks5 = {{ listen = "127.0.0.1:1080", user = "me", password_path = "/p" }}
mixed = {{ listen = "unix:/run/m", outside = "direct" }}
exit_node = {{ enabled = true, allow = ["192.0.2.0/24:443"], deny = ["198.51.100.7"] }}
netstack = {{ memory = "16m", max_flows = 500, congestion = "cubic", udp_filtering = "address-and-port" }}
[[network.a.forwards]]
listen = "127.0.0.1:8080"
to = "10.0.0.5:80"
[[network.a.forwards]]
tunnel_port = 22
to = "127.0.0.1:2222"
from = ["10.9.0.0/24"]
[[network.a.peers]]
name = "hub"
public_key = "{PUBLIC_KEYS[0]}"
endpoint = "hub.example.org:51820"
allowed_ips = ["10.0.0.0/8"]
"""


def test_every_key_reaches_the_stack() -> None:
    (network,) = load_config(TEXT, "", WARREN).networks
    assert stack_tables(network, {"socks5": "secret"}) == {
        "addresses": ["10.9.0.2/24", "fd42:1::2/64"],
        "mtu": 1380,
        "congestion": "cubic",
        "memory": 16 << 20,
        "max_flows": 500,
        "udp_filtering": "address-and-port",
        "exit": {
            "routes": ["0.0.0.0/0", "::/0"],
            "allow": ["192.0.2.0/24:443"],
            "deny": ["198.51.100.7/32"],
            "allow_lan": False,
            "mesh": [],
        },
        "forwards": [
            {"protocol": "tcp", "listen": "127.0.0.1:8080", "tunnel_port": None, "to": "10.0.0.5:80", "from": []},
            {"protocol": "tcp", "listen": None, "tunnel_port": 22, "to": "127.0.0.1:2222", "from": ["10.9.0.0/24"]},
        ],
        "proxies": [
            {"kind": "socks5", "listen": "127.0.0.1:1080", "user": "me", "password": "secret", "outside": "refuse"},
            {"kind": "mixed", "listen": "unix:/run/m", "user": None, "password": None, "outside": "direct"},
        ],
        "dns": {
            "routes": {"corp.example": ["10.0.0.54"]},
            "servers": ["10.0.0.53"],
            "rebind_allow": ["lan.corp.example"],
            "host_only": ["hub.example.org"],
            "listen": None,
        },
    }


def test_nothing_listens_unless_it_is_configured() -> None:
    """W-35."""
    (network,) = load_config('[network.a]\nprivate_key_path = "/k"\nbackend = "netstack"\n', "", WARREN).networks
    tables = stack_tables(network)
    assert (tables["exit"], tables["forwards"], tables["proxies"]) == (None, [], [])


def test_an_interface_without_settings_has_its_own_addresses() -> None:
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0], addresses=(ip_interface("10.9.0.2/24"),), mtu=1300)
    tables = interface_tables(config, ["10.0.0.53", "corp.example"])
    assert tables["dns"]["servers"] == ["10.0.0.53"]
    assert (tables["mtu"], tables["addresses"], tables["proxies"]) == (1300, ["10.9.0.2/24"], [])
