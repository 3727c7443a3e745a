"""Who may ask the local HTTP over TCP: no page of a browser, and for more than health only with the token (H-67)."""

from __future__ import annotations

import pytest

from warren.http.auth import Access, verify_not_a_browser, verify_same_origin, verify_token
from warren.http.message import HttpError, Request
from warren.local_client import Token

pytestmark = [pytest.mark.unit, pytest.mark.security]

TOKEN = "t" * 43
LOOPBACK = Access(TOKEN)
WIDE = Access(TOKEN, names=frozenset({"agent.example"}), addresses=True)


def status(request: Request, access: Access, verify: object) -> int:
    """Of the refusal; 200 where there is none."""
    assert callable(verify)
    try:
        verify(request, access)
    except HttpError as refusal:
        return refusal.response.status
    return 200


@pytest.mark.parametrize(
    ("host", "loopback", "wide"),
    [
        ("localhost", 200, 200),
        ("localhost:9090", 200, 200),
        ("LocalHost:1", 200, 200),
        ("127.0.0.1:9090", 200, 200),
        ("[::1]:9090", 200, 200),
        ("[::1]", 200, 200),
        ("", 200, 200),
        ("10.0.0.5:9090", 403, 200),
        ("[fd00::5]:9090", 403, 200),
        ("agent.example", 403, 200),
        ("Agent.Example.:9090", 403, 200),
        ("rebound.example:9090", 403, 403),
        ("localhost.rebound.example", 403, 403),
        ("127.0.0.1.rebound.example", 403, 403),
        ("localhost@rebound.example", 403, 403),
        ("[::1", 200, 200),
        ("[rebound.example]", 403, 403),
    ],
)
def test_foreign_host_header_is_rejected(host: str, loopback: int, wide: int) -> None:
    request = Request("GET", "/metrics", {"host": host})
    assert status(request, LOOPBACK, verify_not_a_browser) == loopback
    assert status(request, WIDE, verify_not_a_browser) == wide


def test_foreign_host_in_the_target_is_rejected() -> None:
    """RFC 9112 section 3.2.2: it counts more than the header."""
    for host, expected in (("localhost:9090", 200), ("rebound.example", 403)):
        request = Request("GET", f"http://{host}/metrics", {"host": "localhost"})
        assert status(request, LOOPBACK, verify_not_a_browser) == expected


@pytest.mark.parametrize("origin", ["http://localhost:9090", "https://rebound.example", "null", ""])
def test_any_origin_header_is_rejected(origin: str) -> None:
    request = Request("GET", "/healthz", {"host": "localhost", "origin": origin})
    assert status(request, WIDE, verify_not_a_browser) == 403


def test_rejected_host_is_told_the_names_and_the_key_that_adds_more() -> None:
    with pytest.raises(HttpError) as rejection:
        verify_not_a_browser(Request("GET", "/metrics", {"host": "vpn.example"}), WIDE)
    assert "unknown host 'vpn.example'; expected 127.0.0.1, ::1, agent.example, localhost or an IP" in str(
        rejection.value
    )
    assert "add other names of this host to [http] names" in str(rejection.value)


@pytest.mark.parametrize(
    ("site", "expected"), [("cross-site", 403), ("same-site", 403), ("same-origin", 403), ("", 403), ("none", 200)]
)
def test_request_of_a_page_without_origin_is_rejected_over_tcp(site: str, expected: int) -> None:
    request = Request("GET", "/metrics", {"host": "localhost", "sec-fetch-site": site})
    assert status(request, LOOPBACK, verify_not_a_browser) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"origin": "https://vpn.example"}, 200),
        ({"origin": "https://VPN.example"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "https://vpn.example.evil.example"}, 403),
        ({"origin": "https://vpn.example:8443"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "https://["}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "https://vpn.example"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": ""}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "https://vpn.example"}, 403),
    ],
)
def test_change_for_a_page_of_another_origin_is_rejected(headers: dict[str, str], expected: int) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "CONNECT", "post"):
        request = Request(method, "/", {"host": "vpn.example", **headers}, trusted=True)
        assert status(request, LOOPBACK, lambda request, _: verify_same_origin(request)) == expected
    for method in ("GET", "HEAD", "OPTIONS"):
        verify_same_origin(Request(method, "/", headers))


def test_token_tells_what_its_readers_may_do() -> None:
    access = Access("r" * 43, "a" * 43)
    for text, token in (("r" * 43, Token.READ), ("a" * 43, Token.ADMIN)):
        assert verify_token(Request("GET", "/", {"authorization": f"Bearer {text}"}), access) is token


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}t", 401),
        ("Bearer \xff\xfe", 401),
        (None, 401),
    ],
)
def test_incomplete_token_is_rejected(authorization: str | None, expected: int) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    assert status(Request("GET", "/peers", headers), LOOPBACK, verify_token) == expected
    assert status(Request("GET", "/peers", headers), Access(None), verify_token) == 401


def test_missing_token_file_accepts_no_request() -> None:
    for given in ("Bearer ", "Bearer None", "Bearer"):
        assert status(Request("GET", "/peers", {"authorization": given}), Access(None), verify_token) == 401


def test_rejection_names_the_expected_header() -> None:
    with pytest.raises(HttpError, match="expected `Authorization: Bearer TOKEN`") as refusal:
        verify_token(Request("GET", "/peers"), LOOPBACK)
    assert ("WWW-Authenticate", 'Bearer realm="warren"') in refusal.value.response.headers
    assert TOKEN not in repr(LOOPBACK)
