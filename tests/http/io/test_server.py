"""The local HTTP over sockets, asked by Python's own client, by curl, and by clients that do as they please."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.localapi.actions import RULES, agent_actions
from tests.localapi.simulator import NOW, SimulatedNetworks, config
from warren.http.auth import Access
from warren.http.io.listeners import HttpListener, TcpAddress, open_tcp, open_unix
from warren.http.io.server import BODY_BYTES, CONNECTIONS, HEAD_BYTES, serve
from warren.http.router import HttpRouter
from warren.localapi.http_routes import LocalRoutes
from warren.localapi.permissions import PermissionTable

pytestmark = pytest.mark.integration

TOKEN = "t" * 43
ADMIN_TOKEN = "a" * 43
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Served:
    """Hold an agent's HTTP on two listeners."""

    port: int
    path: Path
    networks: SimulatedNetworks

    def client(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS)

    def curl(self, *arguments: str | Path) -> str:
        """What it wrote."""
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", str(TIMEOUT_SECONDS), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def router(networks: SimulatedNetworks, *, aliases: bool = False) -> HttpRouter:
    """Return a router of the routes as the agent makes it."""
    local = LocalRoutes(networks, now=lambda: NOW, version="1.2.3", aliases=aliases)
    return HttpRouter(
        local.routes(), lambda: Access(TOKEN, ADMIN_TOKEN), PermissionTable(agent_actions(networks), RULES).verify
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    networks = SimulatedNetworks(config())
    asyncio.run(networks.connect("default", None))
    pages = router(networks, aliases=True)
    tcp, unix = open_tcp(TcpAddress(ip_address("127.0.0.1"), 0)), open_unix(tmp_path / "http.sock")
    port = tcp.socket.getsockname()[1]
    with serving(pages, tcp, unix):
        yield Served(port, tmp_path / "http.sock", networks)


@contextmanager
def serving(pages: HttpRouter, *listeners: HttpListener) -> Iterator[None]:
    """Until the end of the block, when whatever went wrong in the server is raised."""
    loop = asyncio.new_event_loop()

    async def serve_all() -> None:
        async with asyncio.TaskGroup() as group:
            for listener in listeners:
                group.create_task(serve(listener, pages), name=listener.name)

    task = loop.create_task(serve_all())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(task.cancel)
            running.result(TIMEOUT_SECONDS)
            loop.close()


def answer(connection: socket.socket, method: str = "GET") -> HTTPResponse:
    """The next one."""
    response = HTTPResponse(connection, method=method)
    response.begin()
    return response


def error_code(response: HTTPResponse) -> Any:
    return json.loads(response.read())["error"]["code"]


def is_at_its_end(connection: socket.socket) -> bool:
    """Whether the agent closes it, and says nothing more."""
    return connection.recv(1) == b""


def test_connection_serves_several_requests(served: Served) -> None:
    client = served.client()
    for target, status in (("/healthz", 200), ("/nothing", 404), ("/peers", 401), ("/healthz?format=text", 200)):
        client.request("GET", target)
        response = client.getresponse()
        assert response.status == status
        assert response.headers["Content-Length"] == str(len(response.read()))
    client.close()


def test_response_has_the_date(served: Served) -> None:
    client = served.client()
    client.request("GET", "/healthz")
    assert client.getresponse().headers["Date"].endswith(" GMT")
    client.close()


def test_head_responds_as_get_without_a_body(served: Served) -> None:
    client = served.client()
    client.request("GET", "/metrics")
    whole = client.getresponse()
    length = len(whole.read())
    for _ in range(2):
        client.request("HEAD", "/metrics")
        head = client.getresponse()
        assert (head.status, head.headers["Content-Length"], head.read()) == (200, str(length), b"")
    client.close()


def test_pipelined_requests_are_served_in_order(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET /healthz?format=text HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        received = b""
        while received.count(b"\r\n\r\nOK") < 3:
            received += connection.recv(4096)


def test_http_1_0_connection_closes_after_one_response(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET /healthz?format=text HTTP/1.0\r\n\r\n")
        assert answer(connection).read() == b"OK"
        assert is_at_its_end(connection)


@pytest.mark.needs("curl")
def test_curl_lines_of_the_compatible_interfaces_work(served: Served) -> None:
    here = f"http://localhost:{served.port}"
    networks = json.loads(served.curl(f"{here}/healthz"))["networks"]
    assert networks["default"] == {
        "status": "healthy",
        "state": "connected",
        "peerHealth": 50.0,
        "handshakeRate": 100.0,
        "peersTotal": 2,
        "peersHealthy": 1,
        "peersWaiting": 0,
    }
    assert "\nharmony_agent_bytes_received_total 14\n" in served.curl(f"{here}/metrics")
    assert served.curl(f"{here}/health", "--output", "/dev/null", "--write-out", "%{http_code}") == "200"


@pytest.mark.needs("curl")
def test_unix_socket_requires_no_token(served: Served) -> None:
    peers = json.loads(served.curl("--unix-socket", served.path, "http://localhost/peers"))
    assert [peer["name"] for peer in peers] == ["gateway-1", "gateway-2"]
    assert '"reloaded": true' in served.curl("--unix-socket", served.path, "-X", "POST", "http://agent/reload")
    assert '"http.token"' in served.curl(f"http://127.0.0.1:{served.port}/peers")
    bearer = f"Authorization: Bearer {TOKEN}"
    assert '"gateway-1"' in served.curl(f"http://127.0.0.1:{served.port}/peers", "--header", bearer)


@pytest.mark.security
def test_request_of_a_web_page_is_rejected(served: Served) -> None:
    client = served.client()
    for headers in ({"Origin": "http://localhost"}, {"Host": "rebound.example"}):
        client.request("GET", "/metrics", headers=headers)
        response = client.getresponse()
        assert (response.status, error_code(response)) == (403, error_of(headers))
    client.close()


def error_of(headers: dict[str, str]) -> str:
    return "http." + next(iter(headers)).lower()


def test_body_is_read_and_ignored(served: Served) -> None:
    client = served.client()
    for body in (b"x" * BODY_BYTES, (b"x" * 1000 for _ in range(3))):
        client.request("POST", "/reload", body, {"Authorization": f"Bearer {ADMIN_TOKEN}"})
        response = client.getresponse()
        assert (response.status, json.loads(response.read())["reloaded"]) == (200, True)
    client.close()


def test_expect_100_continue_is_answered(served: Served) -> None:
    with served.connect() as connection:
        head = f"POST /reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n"
        connection.sendall(f"{head}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert answer(connection).status == 200


@pytest.mark.security
@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n" + b"x" * 65537, 413, "http.body"),
        (b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n" + b"x" * 65537, 413, None),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * HEAD_BYTES, 431, "http.malformed"),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "http.malformed"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "http.malformed"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "http.malformed"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400, "http.malformed"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http.version"),
    ],
    ids=["body", "body of HEAD", "head", "no host", "two hosts", "two lengths", "TLS", "HTTP/2"],
)
def test_oversized_or_malformed_request_is_rejected_and_closed(
    served: Served, sent: bytes, status: int, code: str | None
) -> None:
    with served.connect() as connection:
        connection.sendall(sent)
        response = answer(connection, sent.split()[0].decode("latin-1"))
        assert (response.status, error_code(response) if code else None) == (status, code)
        assert is_at_its_end(connection)


FRAGMENTS = [
    *(
        f"{method} {target} HTTP/{version}\r\n".encode()
        for method in ("GET", "HEAD", "POST", "CONNECT")
        for target in ("/metrics", "/reload", "*", "http://[")
        for version in ("1.0", "1.1", "9.9")
    ),
    b"Host: localhost\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 70000\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"x" * 70000,
    b"\x00\xff",
]


@pytest.mark.security
def test_any_input_leaves_the_server_able_to_respond(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    @given(st.lists(st.sampled_from(FRAGMENTS), max_size=8))
    @example([b"HEAD /metrics HTTP/1.1\r\n", b"Host: localhost\r\n", b"\r\n", b"\x00\xff", b"\r\n"])
    def send(fragments: list[bytes]) -> None:
        with served.connect() as connection, suppress(ConnectionError):
            connection.sendall(b"".join(fragments))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
        with served.connect() as connection:
            connection.sendall(b"GET /healthz?format=text HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer(connection).read() == b"OK"

    send()
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.security
def test_connection_above_the_limit_takes_the_place_of_the_idlest(served: Served) -> None:
    held = [served.connect() for _ in range(CONNECTIONS)]
    for connection in held[1:]:  # one after the other has its answer, and so they are let in in this order
        connection.sendall(b"GET /healthz?format=text HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(connection).read() == b"OK"
    with served.connect() as connection:
        connection.sendall(b"GET /healthz?format=text HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(connection).read() == b"OK"
        assert is_at_its_end(held[0])
    with socket.socket(socket.AF_UNIX) as local:  # the other listener has its own
        local.settimeout(TIMEOUT_SECONDS)
        local.connect(str(served.path))
        local.sendall(b"GET /healthz?format=text HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(local).read() == b"OK"
    for connection in held:
        connection.close()


@pytest.mark.security
@pytest.mark.parametrize("sent", [b"\r\n", b"x", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=ascii)
def test_client_that_never_stops_sending_blocks_no_other(served: Served, sent: bytes) -> None:
    ending = threading.Event()

    def flood() -> None:
        while not ending.is_set():
            with served.connect() as connection, suppress(ConnectionError):
                connection.setblocking(False)
                while not ending.is_set():
                    with suppress(BlockingIOError):
                        connection.send(sent * 1000)
                    with suppress(BlockingIOError):
                        connection.recv(1 << 20)

    with ThreadPoolExecutor(2) as threads, closing(served.client()) as client:
        try:
            for _ in range(2):
                threads.submit(flood)
            for _ in range(20):
                client.request("GET", "/healthz?format=text")
                assert client.getresponse().read() == b"OK"
        finally:
            ending.set()


def test_client_that_disconnects_blocks_no_other(served: Served) -> None:
    for sent in (b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50):
        connection = served.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.sendall(sent)
        connection.close()  # with a reset
    client = served.client()
    client.request("GET", "/healthz")
    assert client.getresponse().status == 200
    client.close()


def test_handler_that_crashes_fails_one_request_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SimulatedNetworks):
        def views(self) -> Any:
            raise ZeroDivisionError

    pages = router(Broken())
    with serving(pages, open_unix(tmp_path / "http.sock")):
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as local:
                local.settimeout(TIMEOUT_SECONDS)
                local.connect(str(tmp_path / "http.sock"))
                local.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                response = answer(local)
                assert (response.status, error_code(response)) == (500, "http.failed")
    assert [record.getMessage() for record in caplog.records if record.exc_info] == ["http.failed"] * 2


def test_cancelled_server_leaves_no_connection_and_no_socket(tmp_path: Path) -> None:
    pages = router(SimulatedNetworks())
    tcp, unix = open_tcp(TcpAddress(ip_address("127.0.0.1"), 0)), open_unix(tmp_path / "http.sock")
    address = tcp.socket.getsockname()
    with serving(pages, tcp, unix):
        connection = socket.create_connection(address, TIMEOUT_SECONDS)
        connection.sendall(b"GET /healthz?format=text HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(connection).read() == b"OK"
    with connection:
        assert is_at_its_end(connection)
    assert not (tmp_path / "http.sock").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
