"""Configuration files: the blocks of document 000, and every problem reported at once."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.documents import BOTH, KEYS, OURS, with_keys
from tests.config.strategies import texts
from tests.tunnel.strategies import PRIVATE_KEYS, PUBLIC_KEYS
from warren.agent.config import AgentConfig, load_config
from warren.config.defaults import defaults_for
from warren.errors import ConfigError, Finding
from warren.tunnel.config import Endpoint
from warren.tunnel.exit_policy import ExitEntry, ExitNode
from warren.tunnel.network import NetworkConfig, NetworkPeer

pytestmark = pytest.mark.unit

QUICK_START, SEVERAL, *FRAGMENTS = BOTH
HARMONY = defaults_for("harmony-agent")


def load(text: str) -> AgentConfig:
    return load_config(text, "f.toml", HARMONY)


def finding_keys(text: str) -> list[tuple[int | None, str]]:
    """The line and key of every finding."""
    with pytest.raises(ConfigError) as error:
        load(text)
    return [(finding.line, finding.key) for finding in error.value.findings]


def only_finding(text: str) -> str:
    """The only finding of a file, in words."""
    with pytest.raises(ConfigError) as error:
        load(text)
    (finding,) = error.value.findings
    return str(finding)


def network(lines: str = "", peer: str = "") -> str:
    """A file that is right but for these lines of its network, or of its peer."""
    peer = f'[[network.a.peers]]\nname = "p"\npublic_key = "{KEYS[0]}"\n{peer}\n' if peer else ""
    return f'[network.a]\nprivate_key_path = "/k"\n{lines}\n{peer}'


@pytest.mark.parametrize("text", QUICK_START)
def test_quick_start_loads_with_keys_in_place_of_placeholders(text: str) -> None:
    """H-01: the placeholder is the only thing wrong with it, and H-08: it has no address."""
    assert finding_keys(text) == [(10, "network.default.peers[0].public_key")]
    config = load(with_keys(text))
    (found,) = config.networks
    (peer,) = found.peers
    assert found == NetworkConfig(
        "default",
        "/etc/harmony-agent/private.key",
        enabled=True,
        interface="wg0",
        mtu=1420,
        dns=(ip_address("10.100.0.2"),),
        peers=(
            NetworkPeer(
                peer.name,
                PUBLIC_KEYS[0],
                endpoint=Endpoint("vpn.example.com", 51820),
                allowed_ips=(ip_network("10.42.0.0/16"), ip_network("fd42:1::/48")),
                persistent_keepalive_seconds=25,
            ),
        ),
    )
    assert [(warning.line, warning.key) for warning in config.warnings] == [(1, "network.default.address")]


@pytest.mark.parametrize("text", SEVERAL)
def test_networks_with_both_header_spellings_load(text: str) -> None:
    """H-02 to H-04; a keepalive that is absent is 25 seconds (H-03)."""
    assert finding_keys(text) == [
        (10, "network.production.peers[0].public_key"),
        (17, "network.production.peers[1].public_key"),
        (31, "network.staging.peers[0].public_key"),
    ]
    production, staging = load(with_keys(text)).networks
    assert (production.name, production.interface, production.mtu, len(production.dns)) == (
        "production",
        "wg0",
        1420,
        2,
    )
    assert (staging.name, staging.interface, staging.mtu) == ("staging", "wg1", 1280)
    assert [peer.name for peer in production.peers] == ["gateway-1", "gateway-2"]
    assert [peer.name for peer in staging.peers] == ["staging-gateway"]
    assert staging.peers[0].persistent_keepalive_seconds == 25


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (text, expected)
        for wordings, expected in zip(
            FRAGMENTS,
            (
                [(1, "network.default.private_key_path")],
                [(1, "network.peers[0]"), (1, "network.peers[0].name"), (1, "network.peers[0].public_key")],
                [(1, "network.work.private_key_path"), (5, "network.personal.private_key_path")],
            ),
            strict=True,
        )
        for text in wordings
    ],
)
def test_fragments_report_each_missing_key_with_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    """H-06."""
    assert finding_keys(text) == expected


def test_peers_above_every_network_belong_to_the_only_one() -> None:
    """H-05: the only one takes them; of several, none."""
    peer = f'[[network.peers]]\nname = "p"\npublic_key = "{KEYS[0]}"\n'
    assert len(load(peer + network()).networks[0].peers) == 1
    assert finding_keys(f'{peer}{network()}[network.b]\nprivate_key_path = "/k"\n') == [(1, "network.peers[0]")]


def test_network_named_peers_is_rejected() -> None:
    """H-05."""
    assert only_finding('[network.peers]\nprivate_key_path = "/k"\n').startswith("line 1: network.peers: reserved name")


def test_every_key_is_read() -> None:
    config = load(
        f"""
[network.home]
enable_wireguard = true
interface = "home"
mtu = 1380
private_key_path = "/etc/harmony-agent/home.key"
address = ["10.0.0.2/24", "fd00::2"]
listen_port = 51820
dns = ["10.0.0.1", "fd00::1"]
fwmark = 0xca6c
table = 1234
backend = "kernel"

[network.home.exit_node]
enabled = true
routes = ["0.0.0.0/0"]
dns = ["8.8.8.8"]
allow_lan = true
allow = ["0.0.0.0/0:443", "192.168.7.0/24"]
deny = ["[2001:db8::/32]:1-1023"]

[[network.home.peers]]
name = "office, first floor"
public_key = "{KEYS[0]}"
preshared_key_path = "/etc/harmony-agent/home.psk"
endpoint = "[2001:db8::1]:51820"
allowed_ips = ["10.0.0.1/16"]
persistent_keepalive_secs = "1m"
probe = "10.0.0.1"

[daemon]
user = "tunnels"
group = "net"
socket = "/run/t.sock"
state = "/var/lib/t"
key_directories = ["/etc/harmony-agent", "/run/credentials"]
log_level = "warning"
require_mlock = true

[http]
enabled = false
bind = ["10.0.0.2"]
port = 9091
socket = "/run/t.http"
token = "/run/t.token"

[metrics]
aliases = true
probe_interval_seconds = "5m"
"""
    )
    assert config.networks == (
        NetworkConfig(
            "home",
            "/etc/harmony-agent/home.key",
            enabled=True,
            interface="home",
            mtu=1380,
            addresses=(ip_interface("10.0.0.2/24"), ip_interface("fd00::2/128")),
            listen_port=51820,
            dns=(ip_address("10.0.0.1"), ip_address("fd00::1")),
            fwmark=0xCA6C,
            table=1234,
            backend="kernel",
            exit_node=ExitNode(
                enabled=True,
                routes=(ip_network("0.0.0.0/0"),),
                dns=(ip_address("8.8.8.8"),),
                allow_lan=True,
                allow=(ExitEntry(ip_network("0.0.0.0/0"), (443, 443)), ExitEntry(ip_network("192.168.7.0/24"))),
                deny=(ExitEntry(ip_network("2001:db8::/32"), (1, 1023)),),
            ),
            peers=(
                NetworkPeer(
                    "office, first floor",
                    PUBLIC_KEYS[0],
                    preshared_key_path="/etc/harmony-agent/home.psk",
                    endpoint=Endpoint("2001:db8::1", 51820),
                    allowed_ips=(ip_network("10.0.0.0/16"),),
                    persistent_keepalive_seconds=60,
                    probe=ip_address("10.0.0.1"),
                ),
            ),
        ),
    )
    daemon, http, metrics = config.daemon, config.http, config.metrics
    assert (daemon.user, daemon.group, daemon.socket, daemon.state) == ("tunnels", "net", "/run/t.sock", "/var/lib/t")
    assert daemon.key_directories == ("/etc/harmony-agent", "/run/credentials")
    assert daemon.log_level == "warning"
    assert daemon.require_mlock
    assert (http.enabled, http.bind, http.port) == (False, (ip_address("10.0.0.2"),), 9091)
    assert (http.socket, http.token) == ("/run/t.http", "/run/t.token")
    assert (metrics.aliases, metrics.probe_interval_seconds) == (True, 300)
    assert config.warnings == ()


def test_absent_keys_have_their_defaults() -> None:
    """H-07, H-67, and each program's own paths."""
    config = load(network("", "allowed_ips = []"))
    (found,) = config.networks
    assert found == NetworkConfig("a", "/k", peers=(NetworkPeer("p", PUBLIC_KEYS[0]),))
    assert (found.enabled, found.interface, found.mtu, found.listen_port, found.backend) == (
        False,
        "wg0",
        1420,
        0,
        "auto",
    )
    assert [str(address) for address in config.http.bind] == ["127.0.0.1", "::1"]
    assert (config.http.enabled, config.http.port) == (True, 9090)
    assert (config.daemon.user, config.daemon.group, config.daemon.log_level) == (
        "harmony-agent",
        "harmony-agent",
        "info",
    )
    assert config.daemon.socket == "/var/run/harmony-agent.sock"
    assert config.daemon.key_directories == ("/etc/harmony-agent",)
    assert not config.daemon.require_mlock
    assert config.metrics.aliases
    assert not load_config("", "f.toml", defaults_for("warren")).metrics.aliases
    assert load_config("", "f.toml", defaults_for("warren")).daemon.group == "warren-read"


def test_root_is_put_before_every_path() -> None:
    text = network("", 'preshared_key_path = "/p"') + '[daemon]\nsocket = "/s"\nkey_directories = ["/d"]\n'
    config = load_config(text, "f.toml", defaults_for("warren", "/tree"))
    (found,) = config.networks
    assert (found.private_key_path, found.peers[0].preshared_key_path) == ("/tree/k", "/tree/p")
    assert (config.daemon.socket, config.daemon.key_directories) == ("/tree/s", ("/tree/d",))
    assert (config.daemon.state, config.http.token) == ("/tree/var/lib/warren", "/tree/var/lib/warren/http/token")


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ('interface = "sixteen_letters_"', "interface", "cannot name an interface"),
        ('interface = "wg/0"', "interface", "cannot name an interface"),
        ('interface = "wg 0"', "interface", "cannot name an interface"),
        ("interface = 0", "interface", "is a whole number; expected text"),
        ("mtu = 1279", "mtu", "1279 is out of range; expected 1280 to 65535"),
        ("mtu = 65536", "mtu", "65536 is out of range"),
        ("mtu = 1420.0", "mtu", "is a number with a fraction; expected a whole number from 1280 to 65535"),
        ('mtu = "1420"', "mtu", "is text; expected a whole number"),
        ("mtu = true", "mtu", "is true or false; expected a whole number"),
        ("mtu = 1979-05-27", "mtu", "is a date or a time"),
        ('enable_wireguard = "yes"', "enable_wireguard", "is text; expected true or false"),
        ('address = "10.0.0.300"', "address", "is not an address"),
        ('address = ["10.0.0.1/24", "10.0.0.1/24"]', "address[1]", "is a duplicate"),
        ('address = ["fe80::1%eth0/64"]', "address[0]", "names a zone"),
        ("listen_port = 65536", "listen_port", "is out of range"),
        ('dns = "10.0.0.1"', "dns", "is text; expected a list in brackets"),
        ('dns = ["10.0.0.1", "lan.example"]', "dns[1]", "invalid address 'lan.example'"),
        ("fwmark = 4294967296", "fwmark", "is out of range"),
        ('fwmark = "0xg"', "fwmark", "is not a number"),
        ('table = "main"', "table", "is not a routing table; expected auto, off or a number"),
        ("table = 0", "table", "is out of range"),
        ('backend = "boringtun"', "backend", "unknown backend 'boringtun'"),
        ("peers = {}", "peers", "is a table; expected a list of tables"),
        ("peers = [1]", "peers[0]", "is a whole number; expected a table"),
        ("http.bind_port = 9090", "http", "not a setting of a network; expected [http] with bind and port"),
        ("enable_wiregard = true", "enable_wiregard", "unknown key; did you mean enable_wireguard?"),
        ("ListenPort = 1", "ListenPort", "unknown key; did you mean listen_port?"),
        ("zzz = 1", "zzz", "unknown key; expected one of "),
        ("peer = {}", "peer", "unknown table; did you mean peers?"),
    ],
)
def test_invalid_network_value_is_rejected_with_its_line(text: str, key: str, problem: str) -> None:
    """H-09, H-10."""
    said = only_finding(network(text))
    assert said.startswith(f"line 3: network.a.{key}: ")
    assert problem in said


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ('endpoint = "vpn.example.org"', "endpoint", "is not an endpoint; expected HOST:PORT or [IPv6]:PORT"),
        ('endpoint = "[::1]:0"', "endpoint", "0 is out of range"),
        ('allowed_ips = ["10.0.0.0/33"]', "allowed_ips[0]", "is not a prefix"),
        ('allowed_ips = "10.0.0.0/8"', "allowed_ips", "is text; expected a list"),
        ("persistent_keepalive_secs = 65536", "persistent_keepalive_secs", "65536 is out of range"),
        ('persistent_keepalive_secs = "25"', "persistent_keepalive_secs", "invalid duration"),
        ('probe = "fe80::1%eth0"', "probe", "invalid address"),
        ('preshared_key_path = "p"', "preshared_key_path", "invalid path; expected an absolute path"),
        ("keepaliveSecs = 25", "keepaliveSecs", "did you mean persistent_keepalive_secs?"),
    ],
)
def test_invalid_peer_value_is_rejected_with_its_line(text: str, key: str, problem: str) -> None:
    """H-09, H-10; X-18: no words of the JSON."""
    said = only_finding(network("", text))
    assert said.startswith(f"line 7: network.a.peers[0].{key}: ")
    assert problem in said


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[daemon]\nuser = ""', "line 2: daemon.user: invalid user or group name ''"),
        ('[daemon]\nlog_level = "loud"', "unknown level 'loud'; expected error, warning, info or debug"),
        ("[http]\nport = 0", "line 2: http.port: 0 is out of range"),
        ('[http]\nbind = ["localhost"]', "line 2: http.bind[0]: invalid address 'localhost'"),
        ('[http]\nbnd = ["::1"]', "line 2: http.bnd: unknown key; did you mean bind?"),
        ('[metrics]\naliases = ["wg"]', "line 2: metrics.aliases: is a list; expected true or false"),
        ("[metrics]\nprobe_interval_seconds = 0", "0 is out of range; expected 1 s to 1 d"),
        ("[deamon]", "line 1: deamon: unknown table; did you mean daemon?"),
        ("[outbound]", "line 1: outbound: not supported in this version"),
        ("network = 1", "line 1: network: is a whole number; expected a table"),
        ("[[daemon]]", "line 1: daemon: is a list; expected a table"),
        ("network.a = 1", "line 1: network.a: is a whole number; expected a table"),
        ('[network."a b"]\nprivate_key_path = "/k"', "line 1: network.\"a b\": 'a b' cannot name a network"),
        ("a = [", "line 1: this line: invalid TOML: "),
        ("a = 1\na = 2", "line 2: this line: invalid TOML: Cannot overwrite a value"),
        ("a = " + "1" * 5000, "the file: invalid TOML: "),
        ("a = " + "[" * 5000 + "]" * 5000, "the file: is nested too deeply"),
    ],
)
def test_invalid_file_is_rejected(text: str, problem: str) -> None:
    assert problem in only_finding(text)


@pytest.mark.security
@pytest.mark.parametrize("key", ["private_key", "preshared_key", "private_key_path", "privatekey"])
def test_inline_secret_is_rejected_and_not_repeated(key: str) -> None:
    """H-73."""
    secret = PRIVATE_KEYS[0].to_base64()
    with pytest.raises(ConfigError) as error:
        load(f'[network.a]\n{key} = "{secret}"\n[[network.peers]]\n{key} = "{secret}"\n')
    said = f"{error.value} {error.value.hint}"
    assert secret[:20] not in said
    if key in {"private_key", "preshared_key"}:
        assert f"network.a.{key}: inline keys are not allowed; expected the path of a key file" in said


def test_every_problem_is_reported_with_its_line() -> None:
    assert finding_keys(
        f"""[network.b]
enable_wireguard = true
private_key_path = "/k"
[network.a]
enable_wireguard = true
mtu = 1
private_key_path = "../k"
[[network.peers]]
name = ""
public_key = "short"
allowed_ips = ["10.0.0.0/8", 1,
  "x"]
[nonsense]
[[network.b.peers]]
name = "p"
public_key = "{KEYS[0]}"
[[network.b.peers]]
name = "p"
public_key = "{KEYS[0]}"
[http]
port = "9090"
[mesh]
"""
    ) == [
        (6, "network.a.mtu"),
        (7, "network.a.private_key_path"),
        (9, "network.a.peers[0].name"),
        (10, "network.a.peers[0].public_key"),
        (11, "network.a.peers[0].allowed_ips[1]"),
        (11, "network.a.peers[0].allowed_ips[2]"),
        (13, "nonsense"),
        (18, "network.b.peers[1].name"),
        (19, "network.b.peers[1].public_key"),
        (21, "http.port"),
        (22, "mesh"),
    ]


def test_conflicting_enabled_networks_are_rejected() -> None:
    """H-11, H-16: of those alone that are enabled."""
    two = "".join(
        f'[network.{name}]\nprivate_key_path = "/k"\nlisten_port = 1\nenable_wireguard = true\n'
        f'[[network.peers]]\nname = "p"\npublic_key = "{KEYS[0]}"\nallowed_ips = ["10.{octet}.0.0/16"]\n'
        for name, octet in (("a", 0), ("b", 0))
    )
    assert finding_keys(two) == [
        (9, "network.b.interface"),
        (11, "network.b.listen_port"),
        (16, "network.b.peers[0].allowed_ips[0]"),
    ]
    assert len(load(two.replace("enable_wireguard = true", "enable_wireguard = false", 1)).networks) == 2


def test_overlapping_prefixes_are_a_warning() -> None:
    """H-16."""
    text = network('address = "10.0.0.1/24"', 'allowed_ips = ["10.0.0.0/8"]')
    text += f'[[network.peers]]\nname = "q"\npublic_key = "{KEYS[1]}"\nallowed_ips = ["10.1.0.0/16"]\n'
    (warning,) = load(text).warnings
    assert str(warning) == (
        "line 11: network.a.peers[1].allowed_ips[0]: 10.1.0.0/16 lies within 10.0.0.0/8 of peer p; "
        "packets for both go to q"
    )


def test_origins_name_the_line_of_each_value() -> None:
    origins = load(network("mtu = 1400", 'probe = "10.0.0.1"')).origins
    assert origins["network.a.mtu"] == "f.toml:3"
    assert origins["network.a.peers[0].probe"] == "f.toml:7"
    assert "network.a.interface" not in origins


def test_a_network_is_found_by_its_name() -> None:
    config = load(network())
    assert config.network("a") == config.networks[0]
    assert config.network("b") is None


def test_added_comment_does_not_change_the_configuration() -> None:
    """A comment that is added is no change."""
    assert load(network()) == load(f"# mine\n{network()}")


@given(texts)
def test_any_text_loads_or_raises_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        load(text)


@given(st.sampled_from(OURS[:2]), st.data())
def test_file_with_one_changed_line_loads_or_raises_config_error(text: str, data: st.DataObject) -> None:
    """One line is lost, doubled or cut: whatever is said of it has a line of the file, or none."""
    lines = with_keys(text).splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    cut = line[: data.draw(st.integers(0, len(line)))]
    lines[at : at + 1] = data.draw(st.sampled_from([[], [line, line], [cut], [cut + line], ["[" + line]]))
    found: tuple[Finding, ...] = ()
    try:
        load("\n".join(lines))
    except ConfigError as error:
        found = error.findings
    assert all(finding.line is None or 1 <= finding.line <= len(lines) for finding in found)
