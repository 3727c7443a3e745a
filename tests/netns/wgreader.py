"""The real readers of a wg-quick file: wg-quick's own functions, wg(8) with an engine behind it, and ip(8).

Many files are read in one call: a shell in the host takes `parse_options` out of the installed wg-quick, hands to wg
what wg-quick would hand to it, and asks the engine what it has. Addresses, the MTU and the table are tried as wg-quick
tries them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from tests.netns.host import Host
from warren.tunnel.config import DEFAULT_MTU

SYSTEM_TABLES = {"default": "253", "main": "254", "local": "255"}
BATCH = 40
"""So many files take a second or two, where the deadline of a command is a minute."""
UNUSED_PORT = 61_000
"""The one port that the system may choose, so that a chosen port is known from a configured one."""
READ = r"""
wg_quick=$1
shift
shopt -s extglob
export LC_ALL=C WG_ENDPOINT_RESOLUTION_RETRIES=0
eval "$(sed -n '/^die() {/,/^}/p; /^parse_options() {/,/^}/p; /^read_bool() {/,/^}/p' "$wg_quick")"
PROGRAM=wg-quick
# What only tells of the file's path and mode is left out: three programs less for each file.
readlink() { echo "$2"; }
stat() { echo 0; }
say() { printf '%s\0' "$@"; }
read_one() (
    ADDRESSES=() DNS=() DNS_SEARCH=() PRE_UP=() POST_UP=() PRE_DOWN=() POST_DOWN=()
    WG_CONFIG="" MTU="" TABLE="" SAVE_CONFIG=0
    set -e
    parse_options "$1"
    wg setconf wg0 /dev/stdin <<<"$WG_CONFIG"
    say dump; wg show wg0 dump; say ""
    if ((${#ADDRESSES[@]})); then
        for each in "${ADDRESSES[@]}"; do
            family=-4; [[ $each == *:* ]] && family=-6
            ip $family address add "$each" dev wg0
        done
        say addresses "$(ip -json address show dev wg0)"
        ip address flush dev wg0
    fi
    if [[ -n $MTU ]]; then
        ip link set mtu "$MTU" dev wg0
        say link "$(ip -json link show dev wg0)"
        ip link set mtu 1420 dev wg0
    fi
    if [[ -n $TABLE && $TABLE != auto && $TABLE != off ]]; then
        ip route add table "$TABLE" 192.0.2.128/25 dev lo
        say table "$(ip -json route show table all 192.0.2.128/25)"
        ip route flush table all 192.0.2.128/25
    else
        say table "$TABLE"
    fi
    for each in "${DNS[@]}"; do say dns "$each"; done
    for each in "${DNS_SEARCH[@]}"; do say search "$each"; done
    for each in "${PRE_UP[@]}"; do say PreUp "$each"; done
    for each in "${POST_UP[@]}"; do say PostUp "$each"; done
    for each in "${PRE_DOWN[@]}"; do say PreDown "$each"; done
    for each in "${POST_DOWN[@]}"; do say PostDown "$each"; done
    say save "$SAVE_CONFIG"
)
for file in "$@"; do
    say file "$file"
    read_one "$file" 2>"$file.error"
    status=$?
    say status $status
    ((status == 0)) || ip address flush dev wg0
done
true
"""
HOSTS = "127.0.0.1 localhost\n192.0.2.7 vpn.example.org vpn\n2001:db8::7 six.example.org\n"
ADDRESSES = {
    "localhost": "127.0.0.1",
    "vpn.example.org": "192.0.2.7",
    "vpn": "192.0.2.7",
    "six.example.org": "2001:db8::7",
}


@dataclass(frozen=True, slots=True)
class Read:
    """A file as a reader has understood it, in a form that both readers share."""

    private_key: str
    listen_port: int
    fwmark: int
    peers: Mapping[str, tuple[str, str, frozenset[str], int]]
    """By public key: preshared key, endpoint, allowed IPs, keepalive."""
    addresses: frozenset[str]
    mtu: int
    table: str
    dns: tuple[str, ...]
    hooks: tuple[tuple[str, str], ...]
    save_config: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why the real readers have refused a file."""

    problem: str


def prepare(host: Host, directory: Path) -> None:
    """Give a host names of its own, and one port to choose."""
    (directory / "hosts").write_text(HOSTS)
    (directory / "nsswitch.conf").write_text("hosts: files\nservices: files\n")
    for name in ("hosts", "nsswitch.conf"):
        host.run("mount", "--bind", directory / name, f"/etc/{name}")
    host.run("sh", "-c", f"echo {UNUSED_PORT} {UNUSED_PORT} > /proc/sys/net/ipv4/ip_local_port_range")


def write_files(directory: Path, contents: Sequence[bytes]) -> list[Path]:
    """Write each content as a `wg0.conf` of its own."""
    paths = [directory / f"{number:05}" / "wg0.conf" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.parent.mkdir(mode=0o700)
        path.write_bytes(content)
        path.chmod(0o600)
    return paths


def read_with_wg_quick(host: Host, paths: Sequence[Path]) -> Iterator[Read | Rejected]:
    """Yield what the real readers make of each file."""
    wg_quick = shutil.which("wg-quick")
    if wg_quick is None:
        pytest.skip("the program wg-quick")
    for first in range(0, len(paths), BATCH):
        output = paths[first].with_name("fields")
        host.run("bash", "-c", f'{{ {READ} }} >"$0"', output, wg_quick, *paths[first : first + BATCH])
        fields = output.read_bytes().decode(errors="replace").split("\0")[:-1]
        yield from _results(list(zip(fields[::2], fields[1::2], strict=True)))


def _results(fields: Sequence[tuple[str, str]]) -> Iterator[Read | Rejected]:
    path = ""
    values: list[tuple[str, str]] = []
    for name, value in fields:
        match name:
            case "file":
                path, values = value, []
            case "status" if value == "0":
                yield _read(values)
            case "status":
                yield Rejected(Path(f"{path}.error").read_text(errors="replace"))
            case _:
                values.append((name, value))


def _read(values: Sequence[tuple[str, str]]) -> Read:
    one = dict(values)
    head, *peers = (line.split("\t") for line in one["dump"].splitlines())
    return Read(
        private_key=head[0],
        listen_port=0 if int(head[2]) == UNUSED_PORT else int(head[2]),
        fwmark=0 if head[3] == "off" else int(head[3], 16),
        peers={
            key: (
                "" if preshared == "(none)" else preshared,
                "" if endpoint == "(none)" else canonical(endpoint),
                frozenset(str(ip_network(prefix)) for prefix in prefixes.split(",") if prefix != "(none)"),
                0 if keepalive == "off" else int(keepalive),
            )
            for key, preshared, endpoint, prefixes, _, _, _, keepalive in peers
        },
        addresses=frozenset(_addresses(one.get("addresses", "[]"))),
        mtu=json.loads(one["link"])[0]["mtu"] if "link" in one else DEFAULT_MTU,
        table=_table(one["table"]),
        dns=tuple(value for wanted in ("dns", "search") for name, value in values if name == wanted),
        hooks=tuple((name, value) for name, value in values if name in {"PreUp", "PostUp", "PreDown", "PostDown"}),
        save_config=one["save"] == "1",
    )


def canonical(endpoint: str) -> str:
    """Return an endpoint with its address in one spelling."""
    host, _, port = endpoint.rpartition(":")
    address, _, _ = host.strip("[]").partition("%")  # wg reports no zone
    return f"[{ip_address(address)}]:{port}"


def _addresses(text: str) -> Iterator[str]:
    for link in json.loads(text):
        for address in link["addr_info"]:
            yield str(ip_interface(f"{address['local']}/{address['prefixlen']}"))


def _table(text: str) -> str:
    if not text.startswith("["):
        return text or "auto"
    name = next(str(route.get("table", "main")) for route in json.loads(text))
    return SYSTEM_TABLES.get(name, name)
