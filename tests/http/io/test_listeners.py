"""Listeners on TCP and on Unix sockets (H-67, H-68)."""

from __future__ import annotations

import errno
import socket
import stat
from ipaddress import ip_address
from pathlib import Path

import pytest

from warren.errors import HostError
from warren.http.io.listeners import TcpAddress, is_missing_ipv6, open_tcp, open_unix

pytestmark = pytest.mark.integration

ANY_PORT = TcpAddress(ip_address("127.0.0.1"), 0)


def test_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        busy = TcpAddress(ip_address("127.0.0.1"), other.getsockname()[1])
        with pytest.raises(HostError, match=rf"^TCP port {busy.port} of 127\.0\.0\.1 is in use") as error:
            open_tcp(busy)
    assert error.value.code == "http.port_in_use"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_loopback_accepts_connections(host: str) -> None:
    listener = open_tcp(TcpAddress(ip_address(host), 0))
    with socket.create_connection(listener.socket.getsockname()[:2]):
        listener.close()


@pytest.mark.parametrize(
    ("host", "number", "is_missing"),
    [
        ("::1", errno.EADDRNOTAVAIL, True),
        ("::1", errno.EAFNOSUPPORT, True),
        ("::1", errno.EADDRINUSE, False),
        ("127.0.0.1", errno.EADDRNOTAVAIL, False),
        ("2001:db8::1", errno.EADDRNOTAVAIL, False),
    ],
)
def test_only_the_loopback_of_ipv6_may_be_missing(host: str, number: int, is_missing: bool) -> None:
    problem = HostError("cannot listen", code="http.refused", errno=number)
    assert is_missing_ipv6(TcpAddress(ip_address(host), 9090), problem) is is_missing


def test_foreign_address_is_reported() -> None:
    with pytest.raises(HostError, match=r"cannot listen on 192\.0\.2\.1:9090: ") as error:
        open_tcp(TcpAddress(ip_address("192.0.2.1"), 9090))
    assert error.value.code == "http.refused"


def test_port_is_free_again_after_close() -> None:
    first = open_tcp(ANY_PORT)
    address = TcpAddress(ANY_PORT.host, first.socket.getsockname()[1])
    assert first.name == str(address)
    with socket.create_connection((str(address.host), address.port)):
        first.socket.setblocking(True)
        first.socket.accept()[0].close()  # ours ends it first, so the system remembers it for a minute
    first.close()
    open_tcp(address).close()


@pytest.mark.parametrize(("host", "said"), [("127.0.0.1", "127.0.0.1:9090"), ("::1", "[::1]:9090")])
def test_address_is_shown_with_its_port(host: str, said: str) -> None:
    assert str(TcpAddress(ip_address(host), 9090)) == said


def test_unix_socket_is_trusted_and_open_to_its_group_only(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    listener = open_unix(path)
    assert listener.trusted
    assert stat.S_IMODE(path.lstat().st_mode) == 0o660
    with pytest.raises(HostError) as error:
        open_unix(path)
    assert error.value.code == "agent.running"
    listener.close()
    assert not path.exists()
