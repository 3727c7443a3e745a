"""Requests and answers of the local HTTP."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.http.message import HttpError, Request, json_response

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("target", "path", "netloc", "query"),
    [
        ("/healthz", "/healthz", "", {}),
        ("/healthz?format=text", "/healthz", "", {"format": "text"}),
        ("/healthz?format=json&format=text&empty=", "/healthz", "", {"format": "text"}),
        ("//rebound.example/healthz", "//rebound.example/healthz", "", {}),
        ("http://localhost:9090/healthz?format=text", "/healthz", "localhost:9090", {"format": "text"}),
        ("*", "*", "", {}),
        ("", "", "", {}),
    ],
)
def test_target_is_split_into_path_and_query(target: str, path: str, netloc: str, query: dict[str, str]) -> None:
    request = Request("GET", target)
    assert (request.split().path, request.split().netloc, request.query()) == (path, netloc, query)


@given(st.text())
def test_any_target_is_split_or_rejected(target: str) -> None:
    with suppress(HttpError):
        assert all(isinstance(value, str) for value in Request("GET", target).query().values())


@given(st.text())
def test_error_response_is_json_for_any_text(said: str) -> None:
    response = HttpError(404, "http.path", said).response
    assert json.loads(response.body)["error"]["code"] == "http.path"
    assert response.body.endswith(b"\n")
    assert response.body.replace(b"\n", b"").decode("ascii").isprintable()


def test_response_forbids_caching_and_sniffing() -> None:
    headers = dict(json_response(200, {}).headers)
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.security
@pytest.mark.parametrize(
    ("real_ip", "trusted", "address", "source"),
    [
        ("192.0.2.7", True, "", "192.0.2.7"),
        (" 192.0.2.7 ", True, "", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", True, "", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", True, "", "192.0.2.7"),
        ("192.0.2.7, 192.0.2.8", True, "", ""),
        ("unix:", True, "", ""),
        ("", True, "", ""),
        ("192.0.2.7", False, "198.51.100.1", "198.51.100.1"),
        ("192.0.2.7", False, "fe80::1%eth0", "fe80::"),
    ],
)
def test_source_is_named_by_the_proxy_on_a_unix_socket_only(
    real_ip: str, trusted: bool, address: str, source: str
) -> None:
    request = Request("GET", "/", {"x-real-ip": real_ip}, trusted, address=address)
    assert request.source == source
