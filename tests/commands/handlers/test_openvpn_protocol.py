"""What OpenVPN says, read: an answer of 2.6.14, and what is none."""

from __future__ import annotations

import pytest

from tests.commands.providers.hostile import TEXTS
from warren.commands.effects.openvpn import VpnSession
from warren.commands.handlers.openvpn_protocol import encode_kill, parse_killed, parse_status

pytestmark = pytest.mark.unit

HEADER = (
    "HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address\tVirtual IPv6 Address\tBytes Received\tBytes Sent"
    "\tConnected Since\tConnected Since (time_t)\tUsername\tClient ID\tPeer ID\tData Channel Cipher"
)
STATUS = [
    "TITLE\tOpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)]",
    "TIME\t2026-11-20 20:33:33\t1795206813",
    HEADER,
    "CLIENT_LIST\tuser2\t[2001:db8::7]:38608\t10.8.0.3\tfd08::3\t7\t8\t2026-11-20 20:33:31\t1795206811\tuser2\t4\t1\tA",
    "CLIENT_LIST\tuser1\t192.0.2.2:38608\t10.8.0.2\t\t1768\t1901\t2026-11-20 20:33:29\t1795206809\tUNDEF\t3\t0\tAES",
    "CLIENT_LIST\tUNDEF\t192.0.2.3:1\t\t\t10\t0\t2026-11-20 20:33:33\t1795206813\tUNDEF\t5\t0\t",
    "HEADER\tROUTING_TABLE\tVirtual Address\tCommon Name\tReal Address\tLast Ref\tLast Ref (time_t)",
    "ROUTING_TABLE\t10.8.0.2\tuser1\t192.0.2.2:38608\t2026-11-20 20:33:29\t1795206809",
    "GLOBAL_STATS\tMax bcast/mcast queue length\t1",
    "END",
]


def test_parse_status_returns_clients() -> None:
    assert parse_status(STATUS) == (
        VpnSession(3, "user1", "192.0.2.2:38608", ("10.8.0.2",), 1795206809, 1768, 1901),
        VpnSession(4, "user2", "[2001:db8::7]:38608", ("10.8.0.3", "fd08::3"), 1795206811, 7, 8),
    )


def test_parse_status_reads_columns_by_name() -> None:
    lines = ["HEADER\tCLIENT_LIST\tClient ID\tCommon Name\tReal Address\tBytes Sent\tBytes Received"]
    lines[0] += "\tConnected Since (time_t)\tLater"
    assert parse_status([*lines, "CLIENT_LIST\t1\tuser1\ta\t2\t3\t4\tx"]) == (VpnSession(1, "user1", "a", (), 4, 3, 2),)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["END"],
        ["CLIENT_LIST\tuser1"],
        [HEADER, "CLIENT_LIST\tuser1"],
        ["HEADER\tCLIENT_LIST\tCommon Name", "CLIENT_LIST\tuser1"],
        [HEADER, STATUS[4].replace("1795206809", "today")],
    ],
)
def test_parse_status_rejects_malformed_answer(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_status(lines)


@pytest.mark.parametrize("what", TEXTS)
def test_encode_kill_rejects_invalid_names(what: str) -> None:
    with pytest.raises(ValueError, match="expected 3 to 64"):
        encode_kill(TEXTS[what])


def test_parse_killed_returns_the_number_of_sessions() -> None:
    assert encode_kill("user1") == b"kill user1\n"
    assert parse_killed("SUCCESS: common name 'user1' found, 2 client(s) killed") == 2
    assert parse_killed("ERROR: common name 'user1' not found") == 0
    with pytest.raises(ValueError, match="not an answer"):
        parse_killed("ERROR: unknown command, enter 'help' for more options")
