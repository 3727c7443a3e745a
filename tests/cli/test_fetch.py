"""The HTTP exchange of `warren curl`, against servers that are right and wrong."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from warren.cli.fetch import Exchange, Url, fetch, parse_url
from warren.errors import InputError, RemoteError

pytestmark = pytest.mark.unit

SECONDS = 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.5", Url("http", "10.0.0.5", 80, "/")),
        ("http://intern.corp.example:8080/a?b=c#d", Url("http", "intern.corp.example", 8080, "/a?b=c")),
        ("https://[fd42:1::5]/", Url("https", "fd42:1::5", 443, "/")),
    ],
)
def test_urls(text: str, expected: Url) -> None:
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    "text", ["ftp://a/", "http://", "http://a:b/", "http://a:0/", "http://u:p@a/", "http://a/b c", "http://a/\r\nX: y"]
)
def test_malformed_urls_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="malformed URL"):
        parse_url(text)


def test_the_authority_has_the_port_where_it_is_not_the_usual_one() -> None:
    urls = ("http://a/", "http://a:8080/", "https://[::1]:443/", "http://[::1]:1/")
    assert [parse_url(url).authority for url in urls] == ["a", "a:8080", "[::1]", "[::1]:1"]


def exchange(response: bytes, method: str = "GET") -> tuple[Exchange, bytes, bytes]:
    """The exchange with a server that says `response`, the body, and the request."""
    ours, theirs = socket.socketpair()
    body: list[bytes] = []

    def serve() -> bytes:
        with theirs:
            request = b""
            while b"\r\n\r\n" not in request:
                request += theirs.recv(4096)
            theirs.sendall(response)
            return request

    with ours, ThreadPoolExecutor(1) as threads:
        ours.settimeout(SECONDS)
        serving = threads.submit(serve)
        done = fetch(ours, parse_url("http://intern.corp.example/x"), method, body.append)
        return done, b"".join(body), serving.result(SECONDS)


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_a_body_is_read_to_its_end(response: bytes) -> None:
    done, body, request = exchange(response)
    assert (done.status, done.reason, done.body_bytes, body) == (200, "OK", 5, b"hello")
    assert request.startswith(b"GET /x HTTP/1.1\r\nHost: intern.corp.example\r\n")


def test_a_head_has_no_body() -> None:
    done, body, request = exchange(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n", "HEAD")
    assert (done.status, body, done.headers) == (404, b"", [("content-length", "5")])
    assert request.startswith(b"HEAD /x ")


@pytest.mark.parametrize(
    "response", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"]
)
def test_what_is_no_whole_response_is_an_error(response: bytes) -> None:
    with pytest.raises(RemoteError):
        exchange(response)
