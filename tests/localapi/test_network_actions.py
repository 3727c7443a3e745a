"""What each action on networks does and returns (H-30 to H-37)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.localapi.actions import ROOT, agent_actions, ask, rejected, router
from tests.localapi.simulator import NOW, SimulatedNetworks, config
from warren.errors import ConfigError, Finding
from warren.localapi.messages import ErrorType, Request
from warren.tunnel.lifecycle import TRANSITIONS, LifecycleEvent, State

pytestmark = pytest.mark.unit

KEY = "/etc/warren/keys/lab.key"


def test_network_connects_reloads_and_disconnects() -> None:
    networks = SimulatedNetworks(config())
    connected = {"network": "default", "state": "active", "interface": "wg0", "peers": 2}
    assert ask(networks, "connect") == connected
    status = ask(networks, "status")
    assert isinstance(status, Mapping)
    assert status.keys() == {"network", "state", "interface", "peers", "traffic"}
    assert ask(networks, "reload") == {"network": "default", "state": "active", "reloaded": True}
    assert ask(networks, "disconnect") == {"network": "default", "state": "stopped"}
    assert ask(networks, "connect") == connected


@pytest.mark.parametrize(("action", "step"), [("connect", LifecycleEvent.START), ("disconnect", LifecycleEvent.STOP)])
@pytest.mark.parametrize("state", State)
def test_connect_and_disconnect_follow_the_lifecycle(action: str, step: LifecycleEvent, state: State) -> None:
    networks = SimulatedNetworks(config())
    networks.networks["default"].state = state
    if (state, step) in TRANSITIONS:
        assert isinstance(ask(networks, action), Mapping)
    else:
        kind, message = rejected(networks, action)
        assert (kind, networks.view("default").state) == (ErrorType.STATE, state)
        assert message.startswith(f"network default is {state}: it cannot {action}; ")


@pytest.mark.parametrize("action", ["connect", "disconnect", "status", "peers", "rotate_keys"])
def test_actions_reject_an_unknown_network(action: str) -> None:
    assert rejected(SimulatedNetworks(config()), action, "lab")[0] is ErrorType.NETWORK


def test_connect_adds_a_network_with_its_own_config() -> None:
    networks = SimulatedNetworks(config())
    answer = ask(networks, "connect", "lab", {"privateKeyPath": KEY, "interface": "wg7"})
    assert answer == {"network": "lab", "state": "active", "interface": "wg7", "peers": 0}
    assert networks.view("lab").sample.origin == "control"


@pytest.mark.security
def test_connect_rejects_a_key_outside_the_key_directories() -> None:
    networks = SimulatedNetworks(config())
    kind, message = rejected(networks, "connect", "lab", {"privateKeyPath": "/etc/shadow"})
    assert (kind, list(networks.networks)) == (ErrorType.PERMISSION, ["default"])
    assert message.startswith("network lab: key file /etc/shadow is outside the key directories")


def test_connect_rejects_an_invalid_config() -> None:
    networks = SimulatedNetworks(config())
    kind, message = rejected(networks, "connect", "lab", {})
    assert (kind, list(networks.networks)) == (ErrorType.CONFIG, ["default"])
    assert message.startswith("config.privateKeyPath: is missing")


def test_reload_changes_nothing_if_the_file_is_invalid() -> None:
    networks = SimulatedNetworks(config())
    ask(networks, "connect")
    networks.file = ConfigError([Finding("network.default.mtu", "is 3", "expected 1280 to 65535")], source="agent.toml")
    kind, message = rejected(networks, "reload")
    assert (kind, networks.view("default").state) == (ErrorType.CONFIG, State.ACTIVE)
    assert "agent.toml: network.default.mtu: is 3; expected 1280 to 65535" in message


def test_reload_of_an_empty_file_needs_confirmation() -> None:
    networks = SimulatedNetworks(replace(config(), enabled=True))
    ask(networks, "connect")
    networks.file = ()
    for settings in (None, {}, {"allowEmpty": False}):
        kind, message = rejected(networks, "reload", "default", settings)
        assert (kind, networks.view("default").state) == (ErrorType.CONFIG, State.ACTIVE)
        assert "this would remove default" in message
        assert "--allow-empty" in message
    ask(networks, "reload", "default", {"allowEmpty": True})
    assert not networks.networks


@pytest.mark.parametrize("settings", [{"allowEmpty": "yes"}, {"allowEmpty": 1}, {"allow_empty": True}])
def test_reload_rejects_other_settings(settings: dict[str, object]) -> None:
    assert rejected(SimulatedNetworks(config()), "reload", "default", settings)[0] is ErrorType.PARSE


def test_reload_reports_an_unconfigured_network_as_uninitialized() -> None:
    answer = ask(SimulatedNetworks(config("lab")), "reload")
    assert answer == {"network": "default", "state": "uninitialized", "reloaded": True}


def test_reload_names_tables_that_need_a_restart() -> None:
    networks = SimulatedNetworks(config())
    networks.changed_for_later = ["[http]"]
    reloaded = {"network": "default", "state": "uninitialized", "reloaded": True}
    assert ask(networks, "reload") == reloaded | {"restart_needed": ["[http]"]}


def test_rotate_keys_prepares_and_commits() -> None:
    networks = SimulatedNetworks(config())
    prepared = ask(networks, "rotate_keys")
    committed = ask(networks, "rotate_keys", "default", {"step": "commit"})
    assert isinstance(prepared, Mapping)
    assert prepared == {"network": "default", "step": "prepared", "public_key": prepared["public_key"]}
    assert committed == {**prepared, "step": "committed"}
    assert rejected(SimulatedNetworks(config()), "rotate_keys", "default", {"step": "commit"})[0] is ErrorType.STATE


@pytest.mark.parametrize("members", [{"step": "finish"}, {"step": None}, {"step": ["commit"]}, {"stp": "commit"}])
def test_rotate_keys_rejects_an_unknown_step(members: dict[str, object]) -> None:
    kind, message = rejected(SimulatedNetworks(config()), "rotate_keys", "default", members)
    assert kind is ErrorType.PARSE
    assert "prepare, commit, abort" in message


def test_connect_and_disconnect_have_an_interim_response() -> None:
    async def early(action: str, state: State) -> object:
        networks = SimulatedNetworks(config(), stuck=["default"])
        networks.networks["default"].state = state
        serving, request = router(agent_actions(networks)), Request("1", action, "default")
        assert serving.interim_response(request) is None
        task = asyncio.ensure_future(serving.respond(request, ROOT, NOW))
        await asyncio.sleep(0)
        response = serving.interim_response(request)
        task.cancel()
        return None if response is None else response.result

    connecting = {"network": "default", "state": "starting", "interface": "wg0", "peers": 2}
    assert asyncio.run(early("connect", State.STOPPED)) == connecting
    assert asyncio.run(early("disconnect", State.ACTIVE)) == {"network": "default", "state": "stopping"}
    assert router(agent_actions(SimulatedNetworks())).interim_response(Request("1", "connect", "default")) is None


def test_other_actions_have_no_interim_response() -> None:
    networks = SimulatedNetworks(config())
    networks.networks["default"].state = State.STARTING
    for action in ("status", "reload", "rotate_keys", "disconnect"):
        assert router(agent_actions(networks)).interim_response(Request("1", action, "default")) is None
