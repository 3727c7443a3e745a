"""Files of wg-quick(8), read and written.

Reading follows wg-quick and wg: sections and keys in any case, `#` starts a comment anywhere, lists are separated by
commas or lines, host bits of an allowed IP are masked, an address without a length is a single host. Where wg uses the
last of several values (a duplicate key or peer), this reader reports the line. The guide lists each difference
(docs/guide/wg-quick.md), and tests/netns/test_wgquick_reader.py compares this reader with the programs themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from warren._core import PresharedKey, PrivateKey, PublicKey
from warren.errors import ConfigError, Finding
from warren.tunnel.config import (
    DEFAULT_MTU,
    MTU,
    InterfaceConfig,
    IPInterface,
    PeerConfig,
    Table,
    address_findings,
    addresses_of,
    interface_name_findings,
    peer_findings,
    policy_findings,
)
from warren.tunnel.ini import Grammar, Section, read_list, read_one
from warren.tunnel.wg_values import (
    FindPort,
    no_service,
    parse_address,
    parse_allowed_ip,
    parse_bool,
    parse_digits,
    parse_fwmark,
    parse_keepalive,
    parse_port,
    parse_table,
    parse_wg_endpoint,
    refusal,
)

HOOKS = ("PreUp", "PostUp", "PreDown", "PostDown")
INTERFACE = ("PrivateKey", "ListenPort", "FwMark", "Address", "DNS", "MTU", "Table", "SaveConfig", *HOOKS)
PEER = ("PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "PersistentKeepalive")
OWN = ("Address", "DNS", "MTU", "Table", "SaveConfig", *HOOKS)
GRAMMAR = Grammar({"Interface": INTERFACE, "Peer": PEER}, lists=("Address", "DNS", "AllowedIPs", *HOOKS), own=OWN)
AUTO: Table = "auto"
COMMA = ","
COMMA_OR_BLANK = r"[, \t\n]+"  # wg-quick splits its own keys as the shell does
NO_KEY = "A" * 43 + "="  # what wg takes for the absence of a key

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WgQuickFile:
    """The content of a file: the interface, and what wg-quick does besides."""

    interface: InterfaceConfig
    dns: tuple[str, ...] = ()
    hooks: tuple[tuple[str, str], ...] = ()
    """(`PreUp` to `PostDown`, command), in that order of keys."""
    save_config: bool = False
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    """The first line of each key of [Interface], for later findings."""


def parse_wgquick(text: str, *, name: str, source: str = "", find_port: FindPort = no_service) -> WgQuickFile:
    """Parse a file for the interface `name`; `find_port` knows the ports of services by name.

    Raises ConfigError with every finding and its line.
    """
    findings = [replace(finding, key="the file's name") for finding in interface_name_findings(name)]
    sections = GRAMMAR.read(text, findings)
    section = _interface_section(sections, findings)
    private_key = _key(section, "PrivateKey", _parse_private_key, PrivateKey.generate, findings)
    addresses = read_list(section, "Address", parse_address, COMMA_OR_BLANK, findings)
    listen_port = read_one(section, "ListenPort", lambda text: parse_port(text, find_port), 0, findings)
    fwmark = read_one(section, "FwMark", parse_fwmark, 0, findings)
    mtu = read_one(section, "MTU", _or_default(_parse_mtu, DEFAULT_MTU), DEFAULT_MTU, findings)
    table = read_one(section, "Table", _or_default(parse_table, AUTO), AUTO, findings)
    dns = read_list(section, "DNS", str, COMMA_OR_BLANK, findings)
    save_config = read_one(section, "SaveConfig", parse_bool, False, findings)
    peers = [_read_peer(section, find_port, findings) for section in sections if section.title == "Peer"]
    findings += _between(private_key.public_key(), addresses, peers)
    findings += _policy(section, fwmark, table, peers)
    if findings:
        raise ConfigError(sorted(findings, key=lambda finding: finding.line or 0), source=source)
    interface = InterfaceConfig(
        name,
        private_key,
        listen_port=listen_port,
        fwmark=fwmark,
        mtu=mtu,
        addresses=tuple(value for value, _ in addresses),
        table=table,
        peers=tuple(peer.config for peer in peers),
    )
    hooks = tuple((key, entry.text) for key in HOOKS for entry in section.entries.get(key, ()))
    lines = {key: entries[0].line for key, entries in section.entries.items()}
    return WgQuickFile(interface, tuple(value for value, _ in dns), hooks, save_config, lines)


def _interface_section(sections: Sequence[Section], findings: list[Finding]) -> Section:
    found = [section for section in sections if section.title == "Interface"]
    if not found:
        findings.append(Finding("[Interface]", "is missing", "expected one such section"))
        return Section("Interface", 0)
    problem = f"duplicate of line {found[0].line}"
    findings += (Finding("[Interface]", problem, "expected it once", again.line) for again in found[1:])
    return found[0]


def _key(
    section: Section, key: str, parse: Callable[[str], T], stand_in: Callable[[], T], findings: list[Finding]
) -> T:
    """Return a required key, or a fallback with which everything else can still be checked."""
    if key not in section.entries and section.line:
        problem = f"is missing from this [{section.title}]"
        findings.append(Finding(key, problem, f"expected {key} = 44 base64 characters", section.line))
    value = read_one(section, key, parse, None, findings)
    return stand_in() if value is None else value


@dataclass(frozen=True, slots=True)
class _Peer:
    """A peer, with the lines of the fields that can conflict with those of another peer."""

    config: PeerConfig
    public_key_line: int
    allowed_ips_lines: tuple[int, ...]


def _parse_private_key(text: str) -> PrivateKey:
    if text == NO_KEY:
        raise refusal("zero", "a private key", "44 base64 characters of `warren genkey`")
    return PrivateKey.from_base64(text)


def _parse_mtu(text: str) -> int:
    if text.startswith("0"):  # ip(8) reads 01420 as octal
        raise refusal(text, "a number", f"{MTU.start} to {MTU.stop - 1}")
    return parse_digits(text, MTU)


def _or_default(parse: Callable[[str], T], default: T) -> Callable[[str], T]:
    """Return a parser that takes an empty text for the default, as wg-quick does for its own keys."""
    return lambda text: parse(text) if text else default


def _read_peer(section: Section, find_port: FindPort, findings: list[Finding]) -> _Peer:
    public_key = _key(section, "PublicKey", PublicKey.from_base64, _some_public_key, findings)
    allowed_ips = read_list(section, "AllowedIPs", parse_allowed_ip, COMMA, findings)
    config = PeerConfig(
        public_key,
        preshared_key=read_one(section, "PresharedKey", PresharedKey.from_base64, None, findings),
        endpoint=read_one(section, "Endpoint", lambda text: parse_wg_endpoint(text, find_port), None, findings),
        allowed_ips=tuple(value for value, _ in allowed_ips),
        persistent_keepalive_seconds=read_one(section, "PersistentKeepalive", parse_keepalive, 0, findings),
    )
    entries = section.entries.get("PublicKey")
    return _Peer(config, entries[0].line if entries else section.line, tuple(line for _, line in allowed_ips))


def _some_public_key() -> PublicKey:
    return PrivateKey.generate().public_key()


def _between(own: PublicKey, addresses: Sequence[tuple[IPInterface, int]], peers: Sequence[_Peer]) -> Iterator[Finding]:
    """Yield the conflicts between values, with the keys and lines of the file."""
    places = {f"addresses[{at}]": ("Address", line) for at, (_, line) in enumerate(addresses)}
    for number, peer in enumerate(peers):
        places[f"peers[{number}].public_key"] = ("PublicKey", peer.public_key_line)
        for at, line in enumerate(peer.allowed_ips_lines):
            places[f"peers[{number}].allowed_ips[{at}]"] = ("AllowedIPs", line)
    found = [*address_findings([value for value, _ in addresses]), *peer_findings(own, [peer.config for peer in peers])]
    for finding in found:
        key, line = places[finding.key]
        yield replace(finding, key=key, line=line)


def _policy(section: Section, fwmark: int, table: Table, peers: Sequence[_Peer]) -> Iterator[Finding]:
    """Return the finding about the mark, with the key and line of the file."""
    prefixes = [prefix for peer in peers for prefix in peer.config.allowed_ips]
    endpoints = addresses_of(peer.config.endpoint for peer in peers)
    for finding in policy_findings(fwmark, table, prefixes, endpoints):
        yield replace(finding, key="FwMark", line=section.entries["FwMark"][0].line)


def unsupported(file: WgQuickFile) -> tuple[Finding, ...]:
    """Yield what the file requests and Warren does not support; the caller changes nothing if there is any."""
    asked = {key: "`warren up` does not run commands" for key, _ in file.hooks}
    asked |= {"DNS": "`warren up` does not set name servers"} if file.dns else {}
    asked |= {"SaveConfig": "`warren up` does not write files"} if file.save_config else {}
    found = [Finding(key, problem, "remove it, or use wg-quick", file.lines.get(key)) for key, problem in asked.items()]
    return tuple(sorted(found, key=lambda finding: finding.line or 0))


def encode_wgquick(file: WgQuickFile) -> str:
    """Return the text that `parse_wgquick` reads as `file`.

    Raises ConfigError if a command or resolver cannot be written.
    """
    findings = [
        Finding(key, "contains '#' or a line break", "expected one line; '#' starts a comment in wg-quick")
        for key, text in (*file.hooks, *(("DNS", resolver) for resolver in file.dns))
        if "#" in text or "\n" in text
    ]
    if findings:
        raise ConfigError(findings)
    sections = [("Interface", _interface_lines(file)), *(("Peer", _peer_lines(peer)) for peer in file.interface.peers)]
    return "\n".join(f"[{title}]\n" + "".join(f"{key} = {text}\n" for key, text in lines) for title, lines in sections)


def _interface_lines(file: WgQuickFile) -> Iterator[tuple[str, str]]:
    interface = file.interface
    yield "PrivateKey", interface.private_key.to_base64()
    if interface.listen_port:
        yield "ListenPort", str(interface.listen_port)
    if interface.fwmark:
        yield "FwMark", f"{interface.fwmark:#x}"
    if interface.addresses:
        yield "Address", ", ".join(map(str, interface.addresses))
    if file.dns:
        yield "DNS", ", ".join(file.dns)
    if interface.mtu != DEFAULT_MTU:
        yield "MTU", str(interface.mtu)
    if interface.table != "auto":
        yield "Table", str(interface.table)
    if file.save_config:
        yield "SaveConfig", "true"
    yield from file.hooks


def _peer_lines(peer: PeerConfig) -> Iterator[tuple[str, str]]:
    yield "PublicKey", peer.public_key.to_base64()
    if peer.preshared_key is not None:
        yield "PresharedKey", peer.preshared_key.to_base64()
    if peer.allowed_ips:
        yield "AllowedIPs", ", ".join(map(str, peer.allowed_ips))
    if peer.endpoint is not None:
        yield "Endpoint", str(peer.endpoint)
    if peer.persistent_keepalive_seconds:
        yield "PersistentKeepalive", str(peer.persistent_keepalive_seconds)
