"""One network, from a table of TOML or JSON: the same fields, each surface with its own words (X-18)."""

from __future__ import annotations

from warren._core import PrivateKey, PublicKey
from warren.config.parsers import (
    Parse,
    checked,
    duration_in,
    flag,
    list_of,
    number_in,
    number_or_text,
    one_or_list,
    parse_ip,
    text,
    text_as,
)
from warren.config.reader import Table
from warren.errors import ConfigError, Finding, redacted_repr
from warren.tunnel.config import DEFAULT_MTU, KEEPALIVE, MARK, MTU, PORT, TABLE, interface_name_findings, parse_endpoint
from warren.tunnel.config import Table as RoutingTable
from warren.tunnel.network import (
    DEFAULT_INTERFACE,
    DEFAULT_KEEPALIVE_SECONDS,
    Backend,
    NetworkConfig,
    NetworkPeer,
    Origin,
    path_findings,
    peer_name_findings,
)
from warren.tunnel.wg_values import parse_address, parse_allowed_ip, parse_fwmark, parse_table

AUTO_TABLE: RoutingTable = "auto"
AUTO_BACKEND: Backend = "auto"
INLINE = "would stand here for everybody who reads the file"
KEY_FILE = "expected the path of a key file"
NEVER = {
    "private_key": (INLINE, f"{KEY_FILE}; make one with: warren genkey --output FILE"),
    "preshared_key": (INLINE, f"{KEY_FILE} of mode 0600"),
    "http": ("is one for the whole agent", "expected [http] with bind and port"),
}
"""Fields refused in words of their own: H-73, and of H-07 the table that is no network's."""
STAND_IN_PATH = "/"


def path_below(root: str) -> Parse[str]:
    """An absolute path, with `root` before it then."""
    written = checked(text, path_findings)
    return lambda value: root + written(value)


def parse_backend(written: str) -> Backend:
    """`auto`, `kernel` or `userspace`."""
    match written:
        case "auto":
            return "auto"
        case "kernel":
            return "kernel"
        case "userspace":
            return "userspace"
        case "netstack":
            problem = "netstack comes with a later version of Warren"
        case _:
            problem = f"{redacted_repr(written)} is no backend"
    raise ConfigError([Finding("", problem, "expected auto, kernel or userspace")])


def read_network(table: Table, name: str, root: str, origin: Origin) -> NetworkConfig | None:
    """The network that `table` describes; None if its values cannot stand together. Findings go to the report."""
    peers = tuple(read_peer(peer, f"peers[{at}]", root) for at, peer in enumerate(table.tables("peers")))
    try:
        return NetworkConfig(
            name=name,
            private_key_path=table.require("private_key_path", path_below(root), STAND_IN_PATH),
            enabled=origin == "control" or table.read("enabled", flag, False),
            interface=table.read("interface", checked(text, interface_name_findings), DEFAULT_INTERFACE),
            mtu=table.read("mtu", number_in(MTU), DEFAULT_MTU),
            addresses=table.read("addresses", one_or_list(text_as(parse_address)), ()),
            listen_port=table.read("listen_port", number_in(PORT), 0),
            dns=table.read("dns", list_of(text_as(parse_ip)), ()),
            fwmark=table.read("fwmark", number_or_text(number_in(MARK), text_as(parse_fwmark)), 0),
            table=table.read("table", number_or_text(number_in(TABLE), text_as(parse_table)), AUTO_TABLE),
            backend=table.read("backend", text_as(parse_backend), AUTO_BACKEND),
            peers=peers,
            origin=origin,
        )
    except ConfigError as error:
        table.refer(error)
        return None
    finally:
        table.close(NEVER)


def read_peer(table: Table, stand_in: str, root: str) -> NetworkPeer:
    """The peer that `table` describes; what is missing is stood in for, a name by `stand_in`."""
    keepalive = duration_in(KEEPALIVE)
    peer = NetworkPeer(
        name=table.require("name", checked(text, peer_name_findings), stand_in),
        public_key=table.require("public_key", text_as(PublicKey.from_base64), _some_public_key()),
        preshared_key_path=table.read("preshared_key_path", path_below(root), None),
        endpoint=table.read("endpoint", text_as(parse_endpoint), None),
        allowed_ips=table.read("allowed_ips", list_of(text_as(parse_allowed_ip)), ()),
        persistent_keepalive_seconds=table.read("persistent_keepalive_seconds", keepalive, DEFAULT_KEEPALIVE_SECONDS),
        probe=table.read("probe", text_as(parse_ip), None),
    )
    table.close(NEVER)
    return peer


def _some_public_key() -> PublicKey:
    return PrivateKey.generate().public_key()
