"""`warren status` of constructed values; tests/cli/test_interface.py has real interfaces."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest

from tests.tunnel.strategies import PRESHARED_KEYS, PRIVATE_KEYS, PUBLIC_KEYS
from warren.cli.status import exit_status
from warren.cli.status_json import as_object
from warren.cli.status_table import as_table
from warren.cli.status_text import TITLES, as_text
from warren.errors import HostError, InterfaceError, WarrenError
from warren.tunnel.config import Endpoint
from warren.tunnel.io.observe import Survey
from warren.tunnel.routes import Route
from warren.tunnel.status import InterfaceStatus, LinkStatus, PathMtu, PeerStatus

pytestmark = pytest.mark.unit

NOW = 1_700_000_000.0
HOME = PeerStatus(
    PUBLIC_KEYS[0],
    preshared_key=PRESHARED_KEYS[0],
    endpoint=Endpoint("2001:db8::2", 51820),
    allowed_ips=(ip_network("10.0.0.2/32"), ip_network("fd00::2/128")),
    persistent_keepalive_seconds=25,
    path_mtu=PathMtu("probed", 1340, 7),
    latest_handshake=NOW - 12,
    rx_bytes=1536,
    tx_bytes=148,
)
SILENT = PeerStatus(PUBLIC_KEYS[1], allowed_ips=tuple(ip_network(f"10.1.{n}.0/24") for n in range(6)))
LINK = LinkStatus(
    up=True,
    mtu=1420,
    addresses=(ip_interface("10.0.0.1/24"), ip_interface("fe80::1/64")),
    routes=(Route(ip_network("10.0.0.2/32")),),
)
UP = InterfaceStatus("wg0", PRIVATE_KEYS[0].public_key(), 51820, 0xCA6C, (HOME, SILENT), LINK)
DOWN = InterfaceStatus("wg1", link=LinkStatus(up=False, mtu=1420))
ELSEWHERE = InterfaceStatus(
    "wg2", PRIVATE_KEYS[0].public_key(), 51821, offloads_off=(("udp_segment", "the kernel refused it"),)
)
KILLED = InterfaceError("wg3 is not up", code="interface.stale")
DELETED = InterfaceError("wg5 is not up", code="interface.ended")
FORBIDDEN = HostError("wg4: Permission denied", code="host.not_permitted")
SECRETS = [PRIVATE_KEYS[0].to_base64(), PRESHARED_KEYS[0].to_base64()]


def test_as_text_shows_interface_and_peers() -> None:
    heading, key, titles, home, silent = as_text((UP,), NOW).splitlines()
    assert heading == "wg0  up  port 51820  fwmark 0xca6c  mtu 1420  10.0.0.1/24"
    assert key == f"public key {UP.public_key}"
    columns = [titles.index(title) for title in TITLES]
    assert [home[column:].partition("  ")[0] for column in columns] == [
        str(HOME.public_key),
        "[2001:db8::2]:51820",
        "10.0.0.2/32, fd00::2/128",
        "12 seconds ago",
        "1.5 KiB",
        "148 B",
        "25 s",
    ]
    assert [silent[column:].partition("  ")[0] for column in columns[1:]] == [
        "unknown",
        "10.1.0.0/24, 10.1.1.0/24, 10.1.2.0/24, 10.1.3.0/24 and 2 more",
        "never",
        "0 B",
        "0 B",
        "off",
    ]


def test_as_text_distinguishes_states() -> None:
    assert as_text((DOWN, ELSEWHERE), NOW).splitlines() == [
        "wg1  down  port none  mtu 1420  no address  no peers",
        "public key none yet",
        "",
        (
            "wg2  in another netns  port 51821  (no such link in this network namespace)  no peers"
            "  udp_segment off: the kernel refused it"
        ),
        f"public key {ELSEWHERE.public_key}",
    ]


def test_status_without_interface_shows_how_to_bring_one_up() -> None:
    wanted = "no interface is up\nbring one up with: warren up FILE.conf\n"
    assert as_text((), NOW) == as_table((), NOW) == wanted


@pytest.mark.parametrize("columns", [80, 100, 140, 200])
def test_as_table_shows_every_peer_at_any_width(columns: int) -> None:
    out = re.sub("\x1b\\[[0-9;]*m", "", as_table((UP, DOWN), NOW, columns))
    assert max(map(len, out.splitlines())) <= columns
    assert all(str(peer.public_key)[:10] in out for peer in UP.peers)
    assert all(word in out for word in ("wg0  up  ", "[2001:db8::2]:51820", "12 seconds ago", "1.5 KiB", "wg1  down  "))
    assert ("keepalive" in out) == (columns >= 100)
    assert (str(HOME.public_key) in out) == (columns >= 140)


def test_as_table_limits_number_of_peers() -> None:
    crowd = replace(UP, peers=(SILENT,) * 10_000)
    out = as_table((crowd,), NOW, 100)
    assert len(out.splitlines()) < 1000
    assert "and 9900 more: see --json" in out


@pytest.mark.security
def test_status_shows_no_secret() -> None:
    interfaces = UP, DOWN, ELSEWHERE
    text = (
        as_text(interfaces, NOW) + as_table(interfaces, NOW, 200) + json.dumps(as_object(Survey(interfaces, {}), NOW))
    )
    assert not any(secret in text for secret in SECRETS)


def test_as_object_has_every_member() -> None:
    found = as_object(Survey((UP, ELSEWHERE), {"wg4": FORBIDDEN}), NOW)
    assert json.loads(json.dumps(found)) == {
        "interfaces": [
            {
                "name": "wg0",
                "up": True,
                "public_key": str(UP.public_key),
                "listen_port": 51820,
                "fwmark": 0xCA6C,
                "offloads_off": {},
                "link": {
                    "up": True,
                    "mtu": 1420,
                    "addresses": ["10.0.0.1/24", "fe80::1/64"],
                    "routes": [{"destination": "10.0.0.2/32", "table": 254, "mtu": None}],
                },
                "peers": [
                    {
                        "public_key": str(HOME.public_key),
                        "has_preshared_key": True,
                        "endpoint": "[2001:db8::2]:51820",
                        "allowed_ips": ["10.0.0.2/32", "fd00::2/128"],
                        "up": True,
                        "latest_handshake": NOW - 12,
                        "handshake_age_seconds": 12.0,
                        "rx_bytes": 1536,
                        "tx_bytes": 148,
                        "persistent_keepalive_seconds": 25,
                        "path_mtu": {"source": "probed", "mtu": 1340, "age_seconds": 7, "reason": None},
                    },
                    {
                        "public_key": str(SILENT.public_key),
                        "has_preshared_key": False,
                        "endpoint": None,
                        "allowed_ips": [str(prefix) for prefix in SILENT.allowed_ips],
                        "up": False,
                        "latest_handshake": None,
                        "handshake_age_seconds": None,
                        "rx_bytes": 0,
                        "tx_bytes": 0,
                        "persistent_keepalive_seconds": None,
                        "path_mtu": None,
                    },
                ],
            },
            {
                "name": "wg2",
                "up": False,
                "public_key": str(ELSEWHERE.public_key),
                "listen_port": 51821,
                "fwmark": None,
                "offloads_off": {"udp_segment": "the kernel refused it"},
                "link": None,
                "peers": [],
            },
        ],
        "failures": [
            {
                "name": "wg4",
                "code": "host.not_permitted",
                "problem": "wg4: Permission denied",
                "hint": FORBIDDEN.hint,
            }
        ],
    }


@pytest.mark.parametrize(
    ("interfaces", "failures", "status"),
    [
        ((UP,), {}, 0),
        ((UP, DOWN), {}, 3),
        ((ELSEWHERE,), {}, 3),
        ((), {}, 3),
        ((UP,), {"wg3": KILLED}, 0),
        ((), {"wg3": KILLED}, 3),
        ((UP,), {"wg5": DELETED}, 3),
        ((UP,), {"wg4": FORBIDDEN}, 1),
        ((DOWN,), {"wg3": KILLED, "wg4": FORBIDDEN}, 1),
    ],
)
def test_exit_status(interfaces: tuple[InterfaceStatus, ...], failures: dict[str, WarrenError], status: int) -> None:
    assert exit_status(Survey(interfaces, failures)) == status
