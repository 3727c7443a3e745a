"""What each program name starts from."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from warren.config.defaults import defaults_for

pytestmark = pytest.mark.unit


def test_each_name_has_its_own() -> None:
    warren, harmony = defaults_for("warren"), defaults_for("harmony-agent")
    assert (warren.config, harmony.config) == ("/etc/warren/agent.toml", "/etc/harmony-agent/config.toml")
    assert (warren.socket, harmony.socket) == ("/run/warren/agent.sock", "/var/run/harmony-agent.sock")
    assert (warren.aliases, harmony.aliases) == (False, True)
    assert defaults_for("another") == warren


@pytest.mark.parametrize("root", ["/tree", "/tree/"])
def test_a_root_stands_before_every_path(root: str) -> None:
    below, bare = asdict(defaults_for("harmony-agent", root)), asdict(defaults_for("harmony-agent"))
    assert below.pop("root") == "/tree"
    assert bare.pop("root") == ""
    paths = {name for name, value in bare.items() if str(value).startswith("/")}
    assert paths == {
        "config",
        "keys",
        "socket",
        "helper_socket",
        "runner_socket",
        "http_socket",
        "http_token",
        "http_admin_token",
        "state",
        "log",
    }
    assert {name: f"/tree{value}" if name in paths else value for name, value in bare.items()} == below
