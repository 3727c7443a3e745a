"""Files of wg-quick as people write them, and as chance makes them: what both readers are given."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.netns.interface import clamped
from tests.netns.wgreader import ADDRESSES, Read, canonical
from warren.errors import InputError, WarrenError
from warren.tunnel.config import Endpoint
from warren.tunnel.io.conffile import read_conf
from warren.tunnel.wgquick import WgQuickFile

KEYS = [base64.b64encode(clamped(bytes([number]) * 32)).decode() for number in range(1, 7)]
PRIVATE, ALPHA, BETA, GAMMA, SHARED, OTHER = KEYS
ZERO = "A" * 43 + "="
"""No preshared key, in the protocol and in what wg shows."""
PLAIN = f"""\
[Interface]
PrivateKey = {PRIVATE}
Address = 10.9.0.1/24, fd00:9::1/64
ListenPort = 51820
DNS = 1.1.1.1, corp.example

[Peer]
PublicKey = {ALPHA}
PresharedKey = {SHARED}
AllowedIPs = 10.9.0.2/32, fd00:9::2/128
Endpoint = 192.0.2.1:51820
PersistentKeepalive = 25

[Peer]
PublicKey = {BETA}
AllowedIPs = 10.9.0.3
"""
HEAD = f"[Interface]\nPrivateKey = {PRIVATE}\n"


def with_interface(*lines: str) -> bytes:
    """Return a file with these lines in [Interface]."""
    return (HEAD + "\n".join(lines) + "\n").encode()


def with_peer(*lines: str) -> bytes:
    """Return a file with a peer of these lines."""
    return (HEAD + f"[Peer]\nPublicKey = {ALPHA}\n" + "\n".join(lines) + "\n").encode()


ENDPOINTS = (
    "192.0.2.1:51820", "[192.0.2.1]:51820", "192.0.2.1:openvpn", "2001:db8::9:51820", "[2001:db8::9]:51820",
    "2001:db8::9:openvpn", "[2001:db8::9]:openvpn", "vpn.example.org:51820", "[vpn.example.org]:51820",
    "VPN.Example.ORG:1", "vpn:isakmp", "six.example.org:51820", "::1:5", "[::1]:5", "::ffff:192.0.2.1:7",
    "[::ffff:192.0.2.1]:7", "localhost:domain", "192.0.2.1", "192.0.2.1:", ":51820", "[2001:db8::9]",
    "[2001:db8::9]51820", "2001:db8::9", "[2001:db8::9:51820", "2001:db8::9]:51820", "192.0.2.1:OPENVPN",
    "192.0.2.1:no-such-service", "192.0.2.1:http", "192.0.2.1:99999", "192.0.2.1:0", "192.0.2.1:+5",
    "192.0.2.1:0x10", "192.0.2.1:65535", "192.0.2.1:65536", "192.0.2.1:00051820", "127.1:5", "0x7f.1:5",
    "192.0.2.01:5", "[]:5", "a b.example:5", "[fe80::1%lo]:5", "fe80::1%lo:5", "192.0.2.1 :51820",
    "192.0.2.1: 51820", "1 92.0.2.1:51820", "[ 2001:db8::9 ]:51820", "2001:DB8::9:51820", "(none)", "-",
    "http://192.0.2.1:5",
)  # fmt: skip
ALLOWED_IPS = (
    "10.0.0.0/8", "10.1.2.3/8", "0.0.0.0/0, ::/0", "10.0.0.1", "::/0", "fd00::1", "fd00::1/64", "10.0.0.0/08",
    "10.0.0.0/255.0.0.0", "10.0.0.0/0.0.0.255", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10/8", "10.0/16",
    "010.0.0.0/8", "10.0.0.0/ 8", "10.0.0.0 /8", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8,,10.2.0.0/16",
    "10.0.0.0/8 10.2.0.0/16", "10.0.0.0/8, 10.0.0.0/8", "::ffff:10.0.0.0/104", "fe80::1%lo/64",
    "10.0.0.0/8;10.2.0.0/16", "1 0.0.0.0/8", "", "any", "(none)", "10.0.0.0/-8", "10.0.0.0/+8", "FD00::/8",
    "fd00:0:0:0:0:0:0:1/128", "10.0.0.0/8,\t10.2.0.0/16", "10.0.0.256/32", "1.2.3/24", "+10.0.0.0/8",
    "::10.0.0.1/128", "10.0.0.0/8\u00a0",
)  # fmt: skip
NUMBERS = {
    "PersistentKeepalive": ("0", "25", "off", "OFF", "65535", "65536", "-1", "+5", "0x10", "025", "", "2 5",
        "25s", "\u0662\u0665", "on"),
    "ListenPort": ("0", "1", "51820", "65535", "65536", "99999", "-1", "+5", "0x10", "051820", "", "5 1820",
        "openvpn", "http", "off"),
    "FwMark": ("0", "1", "off", "Off", "0xca6c", "0XCA6C", "0xCA6C", "4294967295", "4294967296", "0x", "-1",
        "ca6c", "010", "", "0x1 0", "0x0x5", "0x-1"),
    "MTU": ("1420", "1280", "65535", "65536", "1279", "500", "0", "", "1 420", "0x58c", "auto", "01420",
        "+1420", "1420 # yes"),
    "Table": ("auto", "off", "", "1234", "0x10", "main", "Off", "AUTO", "-1", "4294967295", "4294967296",
        "1 2", "no-such-table", "01234", "254", "0"),
    "SaveConfig": ("true", "false", "TRUE", "False", "yes", "", "1"),
}  # fmt: skip
ADDRESS_TEXTS = (
    "10.9.0.1/24", "10.9.0.1", "10.9.0.1/24,fd00:9::1/64", "10.9.0.1/24 fd00:9::1/64", "10.9.0.1/24,,10.8.0.1/24",
    ",10.9.0.1/24,", "", "10.9.0.1/255.255.255.0", "10.9.0.1/0.0.0.255", "10.9.0.1/33", "fd00::1", "fd00::1/129",
    "FD00::1/64", "10.9/16", "10.9.1/24", "10.9.0.1 /24", "10.9.0.1/ 24", "10.9.0.1/024", "010.9.0.1/24",
    "fe80::1/64", "10.9.0.1/24\tfd00:9::1/64", "10.9.0.1/24, 10.9.0.1/24", "fd00::1%lo/64", "any",
    "::ffff:10.0.0.1/128", "10.9.0.1/24;", "10.9.0.1/24\u00a0",
)  # fmt: skip
DNS_TEXTS = (
    "1.1.1.1", "1.1.1.1,2606:4700::1111", "corp.example", "1.1.1.1 corp.example", "", ",", "1.1.1.1;",
    "fe80::1%eth0", "a\tb", "1.1.1",
)  # fmt: skip
KEY_TEXTS = (
    ALPHA, ALPHA[:-1], ALPHA.lower(), ALPHA + "=", f"{ALPHA[:20]} {ALPHA[20:]}", f"{ALPHA} # mine", f'"{ALPHA}"',
    "A" * 43 + "=", "", "(none)", ALPHA[:-2] + "9=", ALPHA[:-1] + " =", "\u00a0" + ALPHA,
)  # fmt: skip
HOOKS = ("PreUp", "PostUp", "PreDown", "PostDown")
HOOK_TEXTS = (
    "iptables -A FORWARD -i %i -j ACCEPT; iptables -t nat -A POSTROUTING", "echo a # b", "", "  echo   two  ",
    "a=b", "echo 'x' = y", "echo ü",
)  # fmt: skip
SECTIONS = (
    "[interface]", "[INTERFACE]", "[ Interface ]", "[Inter face]", "[Interface] # mine", "[Interface]=",
    "[Interface]x", "[Interface", "Interface]", "[Server]", "  [Interface]  ", "[[Interface]]", "[Interface];",
)  # fmt: skip


def _single() -> Iterator[bytes]:
    for text in ENDPOINTS:
        yield with_peer(f"Endpoint = {text}")
    for text in ALLOWED_IPS:
        yield with_peer(f"AllowedIPs = {text}")
    for key, texts in NUMBERS.items():
        for text in texts:
            make = with_peer if key == "PersistentKeepalive" else with_interface
            yield make(f"{key} = {text}")
    for text in ADDRESS_TEXTS:
        yield with_interface(f"Address = {text}")
    for text in DNS_TEXTS:
        yield with_interface(f"DNS = {text}")
    for text in HOOK_TEXTS:
        yield with_interface(*(f"{key} = {text}" for key in HOOKS))
    for text in KEY_TEXTS:
        yield with_peer(f"PresharedKey = {text}")
        yield f"{HEAD}[Peer]\nPublicKey = {text}\n".encode()
        yield f"[Interface]\nPrivateKey = {text}\n".encode()
    for text in SECTIONS:
        yield f"{text}\nPrivateKey = {PRIVATE}\n".encode()
        yield f"{text}\nPrivateKey = {PRIVATE}\nAddress = 10.9.0.1/24\nMTU = 1400\n".encode()
        yield f"{HEAD}{text.replace('nterface', 'eer').replace('I', 'P')}\nPublicKey = {ALPHA}\n".encode()


def _odd_files() -> Iterator[bytes]:
    plain = PLAIN.encode()
    yield plain
    yield plain.replace(b"\n", b"\r\n")
    yield plain.replace(b"\n", b"\r")
    yield plain.rstrip(b"\n")
    yield b"\xef\xbb\xbf" + plain
    yield PLAIN.encode("utf-16")
    yield plain + b"# B\xfcro\n"
    yield plain.replace(b"[Peer]", b"# B\xfcro\n[Peer]", 1)
    yield plain + "# Büro \u2028 \u0085 \x0c \x1c x\n".encode()
    yield HEAD.encode() + b"PostUp = echo B\xfcro\n"
    yield HEAD.encode() + b"B\xfcro = 1\n"
    yield HEAD.encode() + b"MTU = 1400\xfc\n"
    yield plain.replace(b" = ", b"=")
    yield plain.replace(b" = ", b"\t=\t")
    yield plain.replace(b" = ", b" \x0b= \x0c")
    yield plain.replace(b"\n", b"\n  ")
    yield plain.replace(b"\n", b"   \n")
    yield plain.replace(b"\n", b" # comment = [Peer]\n")
    yield plain.replace(b"\n", b";\n", 3)
    yield b"; comment\n" + plain
    yield b"# only\n"
    yield b""
    yield b"\n\n\n"


def _odd_lines() -> Iterator[bytes]:
    plain = PLAIN.encode()
    yield HEAD.encode() + b"Private Key = x\n"
    yield HEAD.encode() + b"Listen Port = 5\n"
    yield HEAD.encode() + b"Fw\tMark = 5\nM TU = 1400\n"
    yield HEAD.encode() + b"A ddress = 10.9.0.1/24\n"
    yield (
        HEAD.encode()
        + b"[Pe er]\nPublic Key = "
        + ALPHA.encode()
        + b"\nAllowed IPs = 10.0.0.0/8\nEnd point = 192.0.2.1 : 5\n"
    )
    yield HEAD.encode() + "Li\u017ftenPort = 5\n".encode()
    yield HEAD.encode() + "Li\u212atenPort = 5\n".encode()
    yield HEAD.encode() + b"LISTENPORT = 5\nfwmark = 7\naDDress = 10.9.0.1/24\n"
    yield with_interface("DNS", "PreUp")
    yield with_interface("MTU")
    yield with_interface("Address")
    yield with_interface("ListenPort 5")
    yield with_interface("= 5")
    yield with_interface("MTU == 1400")
    yield with_interface("PostUp = a = b = c")
    yield with_interface("Address = 10.9.0.1/24", "Address = 10.8.0.1/24", "DNS = 1.1.1.1", "DNS = 9.9.9.9")
    yield with_interface("MTU = 1400", "MTU = 1300")
    yield with_interface("ListenPort = 5", "ListenPort = 6")
    yield with_interface("Table = off", "Table = auto")
    yield with_interface("PublicKey = " + ALPHA)
    yield with_interface("Unknown = 5")
    yield with_peer("MTU = 1400")
    yield with_peer("Address = 10.9.0.1/24")
    yield with_peer("ListenPort = 5")
    yield with_peer("PublicKey = " + BETA)
    yield with_peer("Endpoint = 192.0.2.1:1", "Endpoint = 192.0.2.1:2")
    yield with_peer("AllowedIPs = 10.0.0.0/8", "AllowedIPs = 10.2.0.0/16")
    yield with_peer("[Peer]", f"PublicKey = {ALPHA}", "AllowedIPs = 10.2.0.0/16")
    yield with_peer("[Peer]")
    yield with_peer("[Peer]", f"PublicKey = {BETA}")
    yield with_peer("AllowedIPs = 10.0.0.0/8", "[Peer]", f"PublicKey = {BETA}", "AllowedIPs = 10.0.0.0/8")
    yield with_peer("[Interface]", "ListenPort = 5", "MTU = 1300")
    yield b"[Interface]\nListenPort = 5\n"
    yield f"[Peer]\nPublicKey = {ALPHA}\n[Interface]\nPrivateKey = {PRIVATE}\nAddress = 10.9.0.1/24\n".encode()
    yield f"[Peer]\nPublicKey = {ALPHA}\n".encode()
    yield f"PrivateKey = {PRIVATE}\n[Interface]\n".encode()
    yield f"Address = 10.9.0.1/24\n{HEAD}".encode()
    yield plain.replace(b"\n", b"\x00\n", 2)
    yield plain.replace(b"51820", b"518\x0020", 1)


COLLECTED = (*_single(), *_odd_files(), *_odd_lines())
"""One file for each form of a value, a key, a section and an encoding."""

BLANKS = (" ", "\t", "  ", "\r", "\x0b", "\x0c", "\u00a0", "\u2003")
VALUES = {
    "Endpoint": ENDPOINTS, "AllowedIPs": ALLOWED_IPS, "Address": ADDRESS_TEXTS, "DNS": DNS_TEXTS, **NUMBERS,
    "PresharedKey": KEY_TEXTS, "PublicKey": KEY_TEXTS, "PostUp": HOOK_TEXTS,
}  # fmt: skip
OF_PEER = frozenset(("Endpoint", "AllowedIPs", "PersistentKeepalive", "PresharedKey", "PublicKey"))


def generated(chance: Random, count: int) -> Iterator[bytes]:
    """Yield files that chance has made of a plain one: each with a few changes."""
    for _ in range(count):
        lines = PLAIN.splitlines()
        for _ in range(chance.randint(1, 3)):
            lines = chance.choice((_value, _value, _blank, _case, _comment, _move, _twice, _drop))(chance, lines)
        yield _encode(chance, lines)


def _encode(chance: Random, lines: list[str]) -> bytes:
    text = chance.choice(("\n", "\n", "\n", "\r\n")).join(lines) + chance.choice(("\n", "\n", ""))
    return chance.choice((b"", b"", b"", b"", b"\xef\xbb\xbf")) + text.encode()


def _value(chance: Random, lines: list[str]) -> list[str]:
    """Give a key of some section another value, in the place of its line or in a new one."""
    key = chance.choice([*VALUES])
    line = f"{key} = {chance.choice(VALUES[key])}"
    places = [number for number, each in enumerate(lines) if each.startswith(key)]
    if places and chance.random() < 0.8:
        lines[chance.choice(places)] = line
        return lines
    start = 1 + chance.choice(
        [n for n, each in enumerate(lines) if each == ("[Peer]" if key in OF_PEER else "[Interface]")] or [0]
    )
    return [*lines[:start], line, *lines[start:]]


def _blank(chance: Random, lines: list[str]) -> list[str]:
    number = chance.randrange(len(lines))
    at = chance.randint(0, len(lines[number]))
    lines[number] = lines[number][:at] + chance.choice(BLANKS) + lines[number][at:]
    return lines


def _case(chance: Random, lines: list[str]) -> list[str]:
    number = chance.randrange(len(lines))
    key, equals, value = lines[number].partition("=")
    lines[number] = chance.choice((key.lower(), key.upper(), key.swapcase())) + equals + value
    return lines


def _comment(chance: Random, lines: list[str]) -> list[str]:
    number = chance.randrange(len(lines))
    at = chance.randint(0, len(lines[number]))
    lines[number] = lines[number][:at] + chance.choice(("#", " # x", ";", " ; x", "//", "#=#")) + lines[number][at:]
    return lines


def _move(chance: Random, lines: list[str]) -> list[str]:
    line = lines.pop(chance.randrange(len(lines)))
    at = chance.randint(0, len(lines))
    return [*lines[:at], line, *lines[at:]]


def _twice(chance: Random, lines: list[str]) -> list[str]:
    at = chance.randrange(len(lines))
    return [*lines[:at], lines[at], *lines[at:]]


def _drop(chance: Random, lines: list[str]) -> list[str]:
    lines.pop(chance.randrange(len(lines)))
    return lines


def read_with_warren(path: Path) -> Read | tuple[str, ...]:
    """Return what Warren makes of a file, or its findings."""
    try:
        return _as_read(read_conf(path).content)
    except WarrenError as error:
        return tuple(str(finding) for finding in getattr(error, "findings", (error,)))


def _as_read(file: WgQuickFile) -> Read:
    interface = file.interface
    return Read(
        private_key=base64.b64encode(clamped(base64.b64decode(interface.private_key.to_base64()))).decode(),
        listen_port=interface.listen_port,
        fwmark=interface.fwmark,
        peers={
            str(peer.public_key): (
                "" if peer.preshared_key is None else peer.preshared_key.to_base64().replace(ZERO, ""),
                "" if peer.endpoint is None else _resolved(peer.endpoint),
                frozenset(map(str, peer.allowed_ips)),
                peer.persistent_keepalive_seconds,
            )
            for peer in interface.peers
        },
        addresses=frozenset(map(str, interface.addresses)),
        mtu=interface.mtu,
        table=str(interface.table),
        dns=tuple(sorted(file.dns, key=lambda text: not _is_server(text))),
        hooks=file.hooks,
        save_config=file.save_config,
    )


def _is_server(text: str) -> bool:
    """Tell a name server from a search domain as wg-quick does."""
    return ":" in text or not text.strip("0123456789.")


def _resolved(endpoint: Endpoint) -> str:
    """Return an endpoint with the address that the host's names have. Raises InputError for an unknown name."""
    host = ADDRESSES.get(endpoint.host.lower(), endpoint.host)
    try:
        return canonical(f"{host}:{endpoint.port}")
    except ValueError:
        raise InputError(f"{host} does not resolve", code="endpoint.unresolved") from None
