"""The tables that only a network stack serves, and the sentences by which a value is refused."""

from __future__ import annotations

import pytest

from tests.tunnel.strategies import PUBLIC_KEYS
from warren.agent.config import AgentConfig, load_config
from warren.config.defaults import WARREN, defaults_for
from warren.errors import ConfigError
from warren.tunnel.netstack_settings import UnixPath

pytestmark = pytest.mark.unit

NETWORK = '[network.a]\nprivate_key_path = "/k"\nbackend = "netstack"\n'


def read(text: str, head: str = NETWORK) -> AgentConfig:
    return load_config(head + text, "", WARREN)


def findings(text: str, head: str = NETWORK) -> list[str]:
    """What is wrong with a network, without line numbers."""
    with pytest.raises(ConfigError) as error:
        read(text, head)
    return [f"{each.key.removeprefix('network.a.')}: {each.problem}; {each.expected}" for each in error.value.findings]


def test_tables_are_read() -> None:
    (network,) = read(
        """
        socks5.listen = "127.0.0.1:1080"
        http_proxy = {listen = "0.0.0.0:3128", user = "me", password_path = "/p", outside = "direct"}
        mixed.listen = "unix:/run/proxy.sock"
        netstack = {memory = "32m", congestion = "cubic"}
        [[network.a.forwards]]
        listen = "[::1]:8080"
        to = "intern.corp.example:80"
        [[network.a.forwards]]
        tunnel_port = 22
        to = "127.0.0.1:2222"
        from = ["10.0.0.0/8"]
        """
    ).networks
    assert {kind: str(proxy.listen) for kind, proxy in network.proxies()} == {
        "socks5": "127.0.0.1:1080",
        "http_proxy": "0.0.0.0:3128",
        "mixed": "unix:/run/proxy.sock",
    }
    assert network.netstack.memory == 32 << 20
    local, remote = network.forwards
    assert (str(local.listen), str(local.to), local.protocol) == ("[::1]:8080", "intern.corp.example:80", "tcp")
    assert (remote.tunnel_port, remote.protocol, *map(str, remote.sources)) == (22, "tcp", "10.0.0.0/8")


def test_paths_are_below_the_root() -> None:
    text = 'socks5 = {listen = "unix:/run/s", user = "me", password_path = "/p"}'
    (network,) = load_config(NETWORK + text, "", defaults_for("warren", "/tree")).networks
    assert (network.socks5.listen, network.socks5.password_path) == (UnixPath("/tree/run/s"), "/tree/p")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'socks5.listen = "0.0.0.0:1080"',
            (
                "socks5.listen: would let everyone on 0.0.0.0 use the tunnel; expected 127.0.0.1:PORT, [::1]:PORT or "
                "unix:/PATH, or user and password_path"
            ),
        ),
        (
            '[[network.a.forwards]]\nlisten = "192.0.2.1:80"\nto = "10.0.0.1:80"',
            "forwards[0].listen: would let everyone on 192.0.2.1 use the tunnel; expected 127.0.0.1:PORT or [::1]:PORT",
        ),
        (
            'dns = ["https://dns.example/dns-query"]',
            "dns[0]: DNS over TLS and HTTPS come with a later version; expected the address of a name server",
        ),
        ("netstack.ecn = true", "netstack.ecn: the own TCP does not use ECN; expected no such key in this version"),
        (
            "netstack.hairpinning = true",
            (
                "netstack.hairpinning: a mapping is never reached from inside: there is no hairpinning; "
                "expected no such key in this version"
            ),
        ),
        (
            "netstack.threads = 4",
            "netstack.threads: one packet thread serves one stack; expected no such key in this version",
        ),
        (
            "netstack.compression = true",
            (
                "netstack.compression: payloads are not compressed, and not padded for that sake; "
                "expected no such key in this version"
            ),
        ),
        (
            'socks5 = {listen = "[::1]:1", bind = true}',
            "socks5.bind: the command BIND of SOCKS5 is not supported; expected no such key in this version",
        ),
        (
            'socks5 = {listen = "[::1]:1", gssapi = true}',
            "socks5.gssapi: GSSAPI is not supported as a login of SOCKS5; expected user and password_path",
        ),
        (
            "adaptive_keepalive = true",
            (
                "adaptive_keepalive: keepalives are not adapted: the configured value stands; "
                "expected persistent_keepalive_secs with the seconds that the path needs"
            ),
        ),
        (
            "compression = true",
            "compression: payloads are not compressed, and not padded for that sake; expected no such key",
        ),
        (
            'socks5.outside = "direct"',
            "socks5.listen: is missing, so that this proxy is off; expected 127.0.0.1:PORT, [::1]:PORT or unix:/PATH",
        ),
        (
            'socks5 = {listen = "[::1]:1", user = "me"}',
            "socks5.password_path: is missing: a login is a user and a password; expected both, or none",
        ),
        (
            'socks5 = {listen = "[::1]:1", user = "a:b", password_path = "/p"}',
            "socks5.user: invalid user; expected 1 to 255 bytes without a colon (RFC 7617)",
        ),
        (
            'socks5.listen = "localhost:1080"',
            (
                "socks5.listen: 'localhost:1080' is not an address to listen on; "
                "expected 127.0.0.1:PORT, [::1]:PORT or unix:/PATH"
            ),
        ),
        ('socks5.listen = "unix:run/s"', "socks5.listen: invalid path; expected an absolute path without '..'"),
        (
            'socks5.listen = "127.0.0.1:1"\nmixed.listen = "127.0.0.1:1"',
            "mixed.listen: 127.0.0.1:1 is already the listener of socks5.listen; expected each listener once",
        ),
        (
            '[[network.a.forwards]]\nto = "10.0.0.1:80"',
            (
                "forwards[0]: a forward begins either on this host or in the tunnel; "
                "expected one of listen and tunnel_port"
            ),
        ),
        (
            '[[network.a.forwards]]\nto = "10.0.0.1:80"\nlisten = "[::1]:1"\nfrom = ["10.0.0.0/8"]',
            "forwards[0].from: is for tunnel_port only; expected tunnel_port, or no from",
        ),
        (
            2 * '[[network.a.forwards]]\nto = "10.0.0.1:80"\ntunnel_port = 22\n',
            "forwards[1].tunnel_port: 22 is already the port of forwards[0]; expected each port of a protocol once",
        ),
        (
            '[[network.a.forwards]]\nto = "10.0.0.1:53"\ntunnel_port = 53\nprotocol = "udp"',
            "forwards[0].protocol: unknown protocol 'udp'; expected tcp",
        ),
        (
            'dns_rebind_allow = ["a b"]',
            "dns_rebind_allow[0]: 'a b' is not a domain; expected a domain such as corp.example",
        ),
    ],
)
def test_a_refused_value_is_named(text: str, expected: str) -> None:
    assert findings(text) == [expected]


@pytest.mark.parametrize("backend", ["kernel", "userspace"])
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('socks5.listen = "127.0.0.1:1080"', "socks5"),
        ("netstack.max_flows = 100", "netstack"),
        ('dns_routes."corp.example" = ["10.0.0.53"]', "dns_routes"),
        ('dns_rebind_allow = ["corp.example"]', "dns_rebind_allow"),
        ('forwards = [{to = "10.0.0.5:80", tunnel_port = 80}]', "forwards"),
    ],
)
def test_a_backend_that_would_ignore_a_key_is_refused(backend: str, text: str, key: str) -> None:
    head = NETWORK.replace("netstack", backend)
    assert findings(text, head) == [f'{key}: backend {backend} does not serve it; expected backend = "netstack"']


def test_name_servers_of_an_exit_are_refused_for_a_stack() -> None:
    expected = "expected none: its peers ask port 53 of the network's own addresses"
    text = 'exit_node = {enabled = true, dns = ["192.0.2.53"]}'
    assert findings(text) == [f"exit_node.dns: backend netstack does not serve it; {expected}"]


def test_two_networks_do_not_share_a_listener() -> None:
    text = 'enable_wireguard = true\nsocks5.listen = "127.0.0.1:1080"\n'
    second = NETWORK.replace("network.a", "network.b") + 'interface = "wg1"\n'
    assert findings(text + second + text) == [
        (
            "network.b.socks5.listen: 127.0.0.1:1080 is already the listener of network.a.socks5.listen; "
            "expected each listener once"
        )
    ]


def test_peers_below_a_table_of_a_network_are_that_networks() -> None:
    text = f'[network.a.socks5]\nlisten = "[::1]:1"\n[[network.peers]]\nname = "p"\npublic_key = "{PUBLIC_KEYS[0]}"\n'
    assert [peer.name for peer in read(text).networks[0].peers] == ["p"]
