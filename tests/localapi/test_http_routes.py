"""What each path of the local HTTP answers, and to whom (H-58 to H-61, P-40 to P-44)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.localapi.actions import ROOT, RULES, agent_actions
from tests.localapi.simulator import NOW, SimulatedNetworks, config
from warren.errors import ConfigError, EngineError, Finding, HostError, WarrenError
from warren.http.auth import Access
from warren.http.message import Request, Response
from warren.http.router import HttpRouter
from warren.localapi.http_routes import LocalRoutes
from warren.localapi.permissions import PermissionTable
from warren.telemetry.conditions import Condition

pytestmark = pytest.mark.unit

TOKEN = "t" * 43
ADMIN_TOKEN = "a" * 43
PATHS = ["/healthz", "/health", "/metrics", "/peers", "/info", "/reload"]
OPEN = PATHS[:3]


def networks(*, connected: bool = True) -> SimulatedNetworks:
    """One, whose first peer of two has a session once it is up."""
    made = SimulatedNetworks(config())
    if connected:
        asyncio.run(made.connect("default", None))
    return made


def pages(given: SimulatedNetworks, **values: Any) -> HttpRouter:
    """Return a router of the routes as the agent makes it."""
    routes = LocalRoutes(given, now=lambda: NOW, version="1.2.3", **values).routes()
    return HttpRouter(routes, lambda: Access(TOKEN, ADMIN_TOKEN), PermissionTable(agent_actions(given), RULES).verify)


def ask(
    asked: HttpRouter, target: str, method: str = "GET", *, trusted: bool = False, **headers: str
) -> tuple[int, Response]:
    """Status and answer; headers by keyword. Over a Unix socket root asks."""
    request = Request(method, target, {"host": "localhost", **headers}, trusted, client=ROOT if trusted else None)
    response = asyncio.run(asked.respond(request))
    return response.status, response


def body(response: Response) -> Any:
    """Of JSON."""
    assert response.content_type == "application/json"
    return json.loads(response.body)


def test_healthz_shows_a_connected_network() -> None:
    status, response = ask(pages(networks()), "/healthz")
    assert status == 200
    assert body(response) == {
        "status": "healthy",
        "timestamp": "2027-01-15T08:00:00Z",
        "networks": {
            "default": {
                "status": "healthy",
                "state": "connected",
                "peerHealth": 50.0,
                "handshakeRate": 100.0,
                "peersTotal": 2,
                "peersHealthy": 1,
                "peersWaiting": 0,
            }
        },
    }


def test_health_of_a_disconnected_network_is_503() -> None:
    given = networks()
    asyncio.run(given.disconnect("default"))
    for path in ("/healthz", "/health"):
        status, response = ask(pages(given), path)
        assert (status, body(response)["status"]) == (503, "unhealthy")
    assert ask(pages(given), "/healthz?format=text")[1].body == b"UNHEALTHY"


def test_degraded_health_is_200() -> None:
    soon = Condition("trust.expiring", "the certificate ends in 3 days")
    status, response = ask(pages(networks(), conditions=lambda: [soon]), "/healthz")
    assert (status, body(response)["status"]) == (200, "degraded")
    assert body(response)["conditions"][0]["name"] == "trust.expiring"


def test_network_that_was_never_requested_does_not_count_for_health() -> None:
    status, response = ask(pages(networks(connected=False)), "/healthz")
    assert (status, body(response)["status"], body(response)["networks"]) == (200, "healthy", {})


def test_healthz_supports_plain_text() -> None:
    asked = pages(networks())
    status, response = ask(asked, "/healthz?format=text")
    assert (status, response.body, response.content_type) == (200, b"OK", "text/plain; charset=utf-8")
    assert ask(asked, "/healthz?format=json")[0] == 200
    status, response = ask(asked, "/healthz?format=xml")
    assert (status, body(response)["error"]["code"]) == (400, "http.format")


def test_health_has_the_keys_of_the_privateer_interface() -> None:
    _, response = ask(pages(networks()), "/health")
    assert body(response)["mesh"] | {"health_score": body(response)["health_score"]} == {
        "state": "connected",
        "peers_total": 2,
        "peers_connected": 1,
        "last_sync": None,
        "revision": None,
        "layer": None,
        "health_score": 50.0,
    }


def test_metrics_follow_the_accept_header() -> None:
    asked = pages(networks(), aliases=True)
    status, response = ask(asked, "/metrics")
    assert (status, response.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"\nharmony_agent_active_peers 1\n" in response.body
    _, response = ask(asked, "/metrics", accept="application/openmetrics-text")
    assert response.content_type.startswith("application/openmetrics-text")
    read = text_string_to_metric_families(response.body.decode())  # type: ignore[no-untyped-call]
    assert "privateer_peer_count" in {family.name for family in read}
    assert b"harmony" not in ask(pages(networks()), "/metrics")[1].body


def test_sums_of_metrics_outlive_a_network() -> None:
    given = networks()
    asked = pages(given, aliases=True)
    line = b"\nharmony_agent_bytes_received_total 14\n"
    assert line in ask(asked, "/metrics")[1].body
    given.networks.clear()
    assert line in ask(asked, "/metrics")[1].body


def test_peers_and_info_show_networks_and_configuration() -> None:
    asked = pages(networks(), info=lambda: {"http.port": 9090})
    _, response = ask(asked, "/peers", trusted=True)
    assert [(peer["name"], peer["state"]) for peer in body(response)] == [
        ("gateway-1", "connected"),
        ("gateway-2", "connecting"),
    ]
    _, response = ask(asked, "/info", trusted=True)
    assert body(response)["version"] == "1.2.3"
    assert body(response)["config"] == {"http.port": 9090}


def test_reload_applies_the_configuration() -> None:
    given = networks()
    given.file = [config(), config("other", ["gateway-3"])]
    status, response = ask(pages(given), "/reload", "POST", trusted=True)
    assert (status, body(response)) == (200, {"reloaded": True, "revision": None})
    assert list(given.networks) == ["default", "other"]
    given.changed_for_later = ["[daemon]"]
    status, response = ask(pages(given), "/reload", "POST", trusted=True)
    assert body(response) == {"reloaded": True, "revision": None, "restart_needed": ["[daemon]"]}


def test_rejected_reload_names_the_reason_and_changes_nothing() -> None:
    given = networks()
    given.file = ConfigError([Finding("mtu", "12 is out of range", "expected 1280 to 65535")], source="agent.toml")
    status, response = ask(pages(given), "/reload", "POST", trusted=True)
    assert status == 400
    assert body(response)["error"] == {
        "code": "config.invalid",
        "message": "agent.toml: mtu: 12 is out of range; expected 1280 to 65535",
        "hint": "nothing was changed; correct the configuration and try again",
    }
    assert list(given.networks) == ["default"]


def test_reload_of_an_empty_file_needs_confirmation() -> None:
    given = SimulatedNetworks(replace(config(), enabled=True))
    given.file = ()
    for target in ("/reload", "/reload?allow_empty=false"):
        status, response = ask(pages(given), target, "POST", trusted=True)
        assert (status, body(response)["error"]["code"]) == (400, "config.empty")
        assert list(given.networks) == ["default"]
    assert ask(pages(given), "/reload?allow_empty=yes", "POST", trusted=True)[0] == 400
    assert ask(pages(given), "/reload?allow_empty=true", "POST", trusted=True)[0] == 200
    assert not given.networks


@pytest.mark.parametrize("error", [HostError("busy", code="host.refused"), EngineError("gone", code="engine.failed")])
def test_failed_reload_is_500(error: WarrenError) -> None:
    class Failing(SimulatedNetworks):
        async def reload(self, **_: object) -> Any:
            raise error

    status, response = ask(pages(Failing()), "/reload", "POST", trusted=True)
    assert (status, body(response)["error"]["message"]) == (500, str(error))


@pytest.mark.security
@pytest.mark.parametrize("path", PATHS)
def test_token_is_required_over_tcp_except_for_health_and_metrics(path: str) -> None:
    asked, method = pages(networks()), "POST" if path == "/reload" else "GET"
    assert ask(asked, path, method)[0] == (200 if path in OPEN else 401)
    assert ask(asked, path, method, authorization=f"Bearer {ADMIN_TOKEN}")[0] == 200
    assert ask(asked, path, method, authorization=f"Bearer {TOKEN}")[0] == (403 if path == "/reload" else 200)
    assert ask(asked, path, method, authorization="Bearer wrong")[0] == (200 if path in OPEN else 401)


@pytest.mark.security
@pytest.mark.parametrize("path", PATHS)
def test_web_page_gets_no_response(path: str) -> None:
    asked, method = pages(networks()), "POST" if path == "/reload" else "GET"
    foreign: list[dict[str, Any]] = [{"origin": "http://localhost:9090"}, {"host": "rebound.example:9090"}]
    for headers in foreign:
        status, response = ask(asked, path, method, authorization=f"Bearer {ADMIN_TOKEN}", **headers)
        assert (status, set(body(response))) == (403, {"error"})


@pytest.mark.parametrize("path", PATHS)
def test_unix_socket_requires_neither_token_nor_host(path: str) -> None:
    method = "POST" if path == "/reload" else "GET"
    assert ask(pages(networks()), path, method, trusted=True, host="whatever")[0] == 200


def test_unsupported_method_is_405_with_the_allowed_ones() -> None:
    asked = pages(networks())
    for method, path, allow in (
        ("GET", "/reload", "POST"),
        ("HEAD", "/reload", "POST"),
        ("POST", "/metrics", "GET, HEAD"),
        ("OPTIONS", "/healthz", "GET, HEAD"),
        ("DELETE", "/peers", "GET, HEAD"),
    ):
        status, response = ask(asked, path, method)
        assert (status, dict(response.headers)["Allow"]) == (405, allow)
    assert ask(asked, "/healthz", "HEAD")[0] == 200


def test_unknown_path_is_404_with_the_known_ones() -> None:
    for target in ("/", "/nothing", "/healthz/", "//healthz", "*"):
        status, response = ask(pages(networks()), target)
        assert status == 404
        assert "expected /healthz, /health, /metrics" in body(response)["error"]["message"]
    assert ask(pages(networks()), "http://[/healthz")[0] == 400
