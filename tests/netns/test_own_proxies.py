"""curl and dnspython on a host whose network is a stack without a TUN: proxies, names, and that no name leaks.

near                                                     far
eth0  192.0.2.1     ─── cable ───                  eth0  192.0.2.2
stack 10.9.0.1      ═══ tunnel ══                  wg0   10.9.0.2     unbound(8), a web server
                                                   lo    198.51.100.7 a web server outside the tunnel
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from .conftest import MakeHost
from .deadline import COMMAND_SECONDS, until
from .engine import Engine
from .host import IN_NAMESPACES, Host, address
from .interface import endpoint
from .kernel import interface
from .own_stack import StackInterface
from .pair import INNER, OUTER, cabled, prefixes, single

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("cargo", "curl", "unbound")]

PROXY, DNS, OUTSIDE = "127.0.0.1:1080", "127.0.0.1:5300", "198.51.100.7"
RECORDS = {
    "web.example. 60 IN A 10.9.0.2",
    "web.example. 60 IN AAAA fd09::2",
    "alias.example. 60 IN CNAME web.example.",
    "text.example. 60 IN TXT " + " ".join(f'"{letter * 250}"' for letter in "abcdef"),
}
ETH_P_ALL = 3


@dataclass(slots=True)
class Proxied:
    """The host with the stack, and the one that serves."""

    near: Host
    far: Host

    def curl(self, *arguments: str) -> str:
        """Run curl on the near host, and return what it printed."""
        return self.near.run("curl", "-sS", "--max-time", str(COMMAND_SECONDS // 2), *arguments)

    def ask(self, server: str, port: int, name: str, kind: str, *, host: Host) -> dns.message.Message:
        """Return what a server answers, over UDP and then over TCP if that was cut off."""
        query = dns.message.make_query(name, kind, use_edns=True, payload=1232)

        def send() -> dns.message.Message:
            return dns.query.udp_with_fallback(query, server, port=port, timeout=COMMAND_SECONDS / 2)[0]

        return host.inside(send)


@pytest.fixture
def proxied(make_host: MakeHost, warren: Engine, tmp_path: Path) -> Proxied:
    near, far = make_host("near"), make_host("far")
    cabled(near, far)
    address(far, "lo", f"{OUTSIDE}/32")
    near.ip("route", "add", f"{OUTSIDE}/32", "via", OUTER["far"][0])
    link = interface(far, warren)
    link.up(*prefixes(INNER["far"]))
    own = [f"address={prefix}" for prefix in prefixes(INNER["near"])]
    services = [f"proxy=mixed={PROXY}", "direct=1", f"dns={INNER['far'][0]}:53", f"dns_listen={DNS}"]
    stack = StackInterface(near, *own, *services)
    link.peer(stack.keys, *single(INNER["near"]))
    stack.peer(link.keys, *single(INNER["far"]), Endpoint=endpoint(OUTER["far"][0], link.listen_port))
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "page").write_text("a page\n")
    (pages / "large").write_bytes(b"0123456789abcdef" * (1 << 17))
    far.start(sys.executable, "-m", "http.server", "--directory", pages, "80", log="web")
    until(
        lambda: far.attempt("curl", "-sS", f"http://{INNER['far'][0]}/page").returncode == 0, "the web server answers"
    )
    unbound(far, tmp_path)
    return Proxied(near, far)


def unbound(host: Host, directory: Path) -> None:
    """Start unbound at the inner addresses of a host with the records, and wait until it answers."""
    data = "".join(f"  local-data: '{record}'\n" for record in RECORDS)
    settings = ["do-daemonize: no", "chroot: ''", "username: ''", "pidfile: ''", "use-syslog: no", "so-reuseport: no"]
    settings += [f"interface: {INNER['far'][0]}", "access-control: 0.0.0.0/0 allow", "local-zone: 'example.' static"]
    conf = directory / "unbound.conf"
    lines = "".join(f"  {setting}\n" for setting in settings)
    conf.write_text(f"server:\n{lines}{data}remote-control:\n  control-enable: no\n")
    host.start("unbound", "-d", "-c", conf, log="unbound")

    def answers() -> bool:
        query = dns.message.make_query("web.example", "A")
        try:
            return bool(host.inside(lambda: dns.query.udp(query, INNER["far"][0], timeout=1)).answer)
        except (OSError, dns.exception.Timeout):
            return False

    until(answers, "unbound answers")


@pytest.fixture
def wire(proxied: Proxied) -> Iterator[socket.socket]:
    """Return a socket that has every packet of the outer side from now on."""
    with closing(proxied.near.socket(socket.AF_PACKET, socket.SOCK_DGRAM)) as capture:
        capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        capture.bind(("eth0", ETH_P_ALL))
        capture.setblocking(False)
        yield capture


@pytest.mark.parametrize("option", ["--socks5-hostname", "--proxy"])
def test_curl_reaches_a_name_behind_a_peer(proxied: Proxied, option: str) -> None:
    assert proxied.curl(option, PROXY, "http://alias.example/page") == "a page\n"
    assert proxied.curl(option, PROXY, f"http://{INNER['far'][0]}/page") == "a page\n"
    large = proxied.curl(
        option, PROXY, "-o", "/dev/null", "-w", "%{http_code} %{size_download}", "http://web.example/large"
    )
    assert large == f"200 {16 << 17}"


def test_curl_opens_a_tunnel_and_is_told_what_failed(proxied: Proxied) -> None:
    assert proxied.curl("--proxytunnel", "-x", PROXY, "http://web.example/page") == "a page\n"
    status = ["-o", "/dev/null", "-w", "%{http_code} %header{warren-error}", "-x", PROXY]
    assert proxied.curl(*status, "http://gone.example/") == "502 name"
    assert proxied.curl(*status, "http://web.example:81/") == "502 refused"
    assert proxied.curl(*status, f"http://{INNER['near'][0]}/").startswith("403")
    assert proxied.curl(*status, "http://192.168.0.1/").startswith("403")


def test_an_address_that_no_peer_has_is_dialled_by_the_host(proxied: Proxied) -> None:
    large = f"http://{OUTSIDE}/large"
    for option in ("--socks5-hostname", "--proxy"):
        size = proxied.curl(option, PROXY, "-o", "/dev/null", "-w", "%{http_code} %{size_download}", large)
        assert size == f"200 {16 << 17}"
    refused = ["-o", "/dev/null", "-w", "%{http_code} %header{warren-error}", "-x", PROXY, f"http://{OUTSIDE}:81/"]
    assert proxied.curl(*refused) == "502 refused"


@pytest.mark.parametrize(
    ("name", "kind"), [("web.example", "A"), ("alias.example", "AAAA"), ("text.example", "TXT"), ("gone.example", "A")]
)
def test_a_program_of_the_host_gets_the_answer_of_the_server(proxied: Proxied, name: str, kind: str) -> None:
    server, port = DNS.split(":")
    answered = proxied.ask(server, int(port), name, kind, host=proxied.near)
    expected = proxied.ask(INNER["far"][0], 53, name, kind, host=proxied.far)
    assert (answered.rcode(), answered.answer) == (expected.rcode(), expected.answer)


def test_no_name_leaves_the_host_outside_the_tunnel(proxied: Proxied, wire: socket.socket) -> None:
    proxied.curl("-x", PROXY, "http://web.example/page")
    server, port = DNS.split(":")
    proxied.ask(server, int(port), "text.example", "TXT", host=proxied.near)
    packets = []
    while True:
        try:
            packets.append(wire.recv(1 << 16))
        except BlockingIOError:
            break
    assert any(b"\x04\x00\x00\x00" in packet for packet in packets), "data of the tunnel passed"
    assert not [packet for packet in packets if b"example" in packet.lower()]
