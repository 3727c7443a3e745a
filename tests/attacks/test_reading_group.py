"""A member of the reading group may see the state of the networks, and change nothing, by whichever entry."""

from __future__ import annotations

import logging

import pytest

from warren.localapi.http_routes import LocalRoutes

from .served_agent import OTHER_GROUP, READ_GROUP, ServedAgent

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.root, pytest.mark.needs("setpriv", "curl")]

CHANGES = ("connect", "disconnect", "reload", "rotate_keys", "stop")
CURL = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}")


def http_status(agent: ServedAgent, group: str, method: str, path: str, *options: str) -> int:
    """Return the status that a member of a group gets on the Unix socket of the local HTTP."""
    done = agent.run_as(
        group, *CURL, "--unix-socket", str(agent.http_socket), "--request", method, *options, f"http://localhost{path}"
    )
    return int(done.stdout)


def tcp_status(agent: ServedAgent, token: str, method: str, path: str) -> int:
    """Return the status that the bearer of a token gets over TCP."""
    header = f"Authorization: Bearer {token}"
    url = f"http://127.0.0.1:{agent.port}{path}"
    return int(agent.run_as(OTHER_GROUP, *CURL, "--header", header, "--request", method, url).stdout)


def control_error(agent: ServedAgent, group: str, action: str) -> str | None:
    """Return the type of the error that a member of a group gets on the control socket, or None."""
    error = agent.ask_as(group, action).get("error")
    assert error is None or isinstance(error, dict)
    return error["type"] if error else None


def test_reader_sees_the_same_on_each_entry(agent: ServedAgent) -> None:
    token = agent.run_as(READ_GROUP, "cat", str(agent.directory / "http.token")).stdout.strip()
    for path in ("/peers", "/info"):
        assert http_status(agent, READ_GROUP, "GET", path) == 200
        assert tcp_status(agent, token, "GET", path) == 200
    assert control_error(agent, READ_GROUP, "peers") is None


def test_reader_cannot_reload_by_any_entry(agent: ServedAgent, caplog: pytest.LogCaptureFixture) -> None:
    token = agent.run_as(READ_GROUP, "cat", str(agent.directory / "http.token")).stdout.strip()
    assert http_status(agent, READ_GROUP, "POST", "/reload") == 403
    assert http_status(agent, READ_GROUP, "POST", "/reload", "--header", f"Authorization: Bearer {token}") == 403
    assert tcp_status(agent, token, "POST", "/reload") == 403
    assert control_error(agent, READ_GROUP, "reload") == "permission_denied"
    with caplog.at_level(logging.INFO):
        assert tcp_status(agent, agent.token("http-admin.token"), "POST", "/reload") == 200
    (record,) = (each for each in caplog.records if each.message == "config.reload")
    assert vars(record)["transport"] == "http"


@pytest.mark.parametrize("action", CHANGES)
def test_reader_cannot_change_anything_on_the_control_socket(agent: ServedAgent, action: str) -> None:
    assert control_error(agent, READ_GROUP, action) == "permission_denied"


def test_reader_cannot_read_the_token_for_changes(agent: ServedAgent) -> None:
    assert agent.run_as(READ_GROUP, "cat", str(agent.directory / "http-admin.token")).returncode != 0


def test_each_route_that_changes_something_requires_the_permission_of_an_administrator(agent: ServedAgent) -> None:
    """A route that is added later is tried, too."""
    routes = LocalRoutes(agent.networks, now=lambda: 0.0, version="").routes()
    changing = [route for route in routes if route.method != "GET"]
    assert changing
    for route in changing:
        assert http_status(agent, READ_GROUP, route.method, route.path) == 403


def test_user_outside_the_group_reaches_no_socket_and_no_token(agent: ServedAgent) -> None:
    assert http_status(agent, OTHER_GROUP, "GET", "/peers") == 0
    assert agent.run_as(OTHER_GROUP, "cat", str(agent.directory / "http.token")).returncode != 0
    assert tcp_status(agent, "x" * 43, "GET", "/peers") == 401
