"""What each action does and answers (H-30 to H-38, H-40)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import pytest

from warren.config.json_network import network_from_json
from warren.errors import ConfigError, Finding
from warren.local_client import Client, Group
from warren.localapi.messages import ErrorType, Failure, Request
from warren.localapi.permissions import Permissions
from warren.localapi.router import EVENTS, Handler
from warren.telemetry.conditions import Condition
from warren.tunnel.lifecycle import TRANSITIONS, State, Step

from .simulator import NOW, SimulatedNetworks, config

pytestmark = pytest.mark.unit

ROOT = Client(0, 0, 4242)
READER = Client(1000, 901, 4243)
STRANGER = Client(1000, 1000, 4244)
RULES = Permissions(Group("warren-read", 901), Group("warren-admin", 902))
KEY = "/etc/warren/keys/lab.key"


def handler(networks: SimulatedNetworks, stop: Callable[[], None] = lambda: None) -> Handler:
    """A handler as an agent has it."""
    return Handler(
        networks,
        network_from_json,
        lambda: {"version": "1.2.3"},
        conditions=lambda: [Condition("audit.unwritable", "the clock is an hour off")],
        permissions=RULES,
        key_directories=["/etc/warren/keys"],
        stop=stop,
    )


def ask(
    networks: SimulatedNetworks,
    action: str,
    network: str = "default",
    config: Mapping[str, object] | None = None,
    *,
    client: Client = ROOT,
) -> Mapping[str, object] | Failure:
    """What is answered, once it is done."""
    response = asyncio.run(handler(networks).answer(Request("1", action, network, config), client, NOW))
    assert response.id == "1"
    return response.result


def refused(networks: SimulatedNetworks, action: str, *args: object, client: Client = ROOT) -> tuple[ErrorType, str]:
    """Why it was not done."""
    failure = ask(networks, action, *args, client=client)  # type: ignore[arg-type] # as they are handed on
    assert isinstance(failure, Failure)
    return failure.type, failure.message


def test_a_day_of_a_network() -> None:
    networks = SimulatedNetworks(config())
    connected = {"network": "default", "state": "active", "interface": "wg0", "peers": 2}
    assert ask(networks, "connect") == connected
    status = ask(networks, "status")
    assert isinstance(status, Mapping)
    assert status.keys() == {"network", "state", "interface", "peers", "traffic"}
    assert ask(networks, "reload") == {"network": "default", "state": "active", "reloaded": True}
    assert ask(networks, "disconnect") == {"network": "default", "state": "stopped"}
    assert ask(networks, "connect") == connected


@pytest.mark.parametrize(("action", "step"), [("connect", Step.START), ("disconnect", Step.STOP)])
@pytest.mark.parametrize("state", State)
def test_what_a_state_allows(action: str, step: Step, state: State) -> None:
    networks = SimulatedNetworks(config())
    networks.networks["default"].state = state
    if (state, step) in TRANSITIONS:
        assert isinstance(ask(networks, action), Mapping)
    else:
        kind, message = refused(networks, action)
        assert (kind, networks.view("default").state) == (ErrorType.STATE, state)
        assert message.startswith(f"network default is {state}: it cannot {action}; ")


@pytest.mark.parametrize("action", ["connect", "disconnect", "status", "peers", "rotate_keys"])
def test_a_network_that_there_is_not(action: str) -> None:
    assert refused(SimulatedNetworks(config()), action, "lab")[0] is ErrorType.NETWORK


def test_a_network_that_is_not_in_the_file() -> None:
    networks = SimulatedNetworks(config())
    answer = ask(networks, "connect", "lab", {"privateKeyPath": KEY, "interface": "wg7"})
    assert answer == {"network": "lab", "state": "active", "interface": "wg7", "peers": 0}
    assert networks.view("lab").sample.origin == "control"


@pytest.mark.security
def test_a_key_outside_the_directories_of_keys() -> None:
    networks = SimulatedNetworks(config())
    kind, message = refused(networks, "connect", "lab", {"privateKeyPath": "/etc/shadow"})
    assert (kind, list(networks.networks)) == (ErrorType.PERMISSION, ["default"])
    assert message.startswith("network lab: the key file /etc/shadow is in no directory of keys")


def test_a_config_that_is_none() -> None:
    networks = SimulatedNetworks(config())
    kind, message = refused(networks, "connect", "lab", {})
    assert (kind, list(networks.networks)) == (ErrorType.CONFIG, ["default"])
    assert message.startswith("config.privateKeyPath: is missing")


def test_an_invalid_file_changes_nothing() -> None:
    networks = SimulatedNetworks(config())
    ask(networks, "connect")
    networks.file = ConfigError([Finding("network.default.mtu", "is 3", "expected 1280 to 65535")], source="agent.toml")
    kind, message = refused(networks, "reload")
    assert (kind, networks.view("default").state) == (ErrorType.CONFIG, State.ACTIVE)
    assert "agent.toml: network.default.mtu: is 3; expected 1280 to 65535" in message


def test_a_reload_that_names_what_is_not_in_the_file() -> None:
    answer = ask(SimulatedNetworks(config("lab")), "reload")
    assert answer == {"network": "default", "state": "uninitialized", "reloaded": True}


def test_a_reload_names_what_counts_at_the_next_start() -> None:
    networks = SimulatedNetworks(config())
    networks.changed_for_later = ["[http]"]
    reloaded = {"network": "default", "state": "uninitialized", "reloaded": True}
    assert ask(networks, "reload") == reloaded | {"restart_needed": ["[http]"]}


def test_a_key_is_rotated_in_two_steps() -> None:
    networks = SimulatedNetworks(config())
    prepared = ask(networks, "rotate_keys")
    committed = ask(networks, "rotate_keys", "default", {"step": "commit"})
    assert isinstance(prepared, Mapping)
    assert prepared == {"network": "default", "step": "prepared", "public_key": prepared["public_key"]}
    assert committed == {**prepared, "step": "committed"}
    assert refused(SimulatedNetworks(config()), "rotate_keys", "default", {"step": "commit"})[0] is ErrorType.STATE


@pytest.mark.parametrize("members", [{"step": "finish"}, {"step": None}, {"step": ["commit"]}, {"stp": "commit"}])
def test_a_step_that_is_none_is_not_taken_for_the_first(members: dict[str, object]) -> None:
    kind, message = refused(SimulatedNetworks(config()), "rotate_keys", "default", members)
    assert kind is ErrorType.PARSE
    assert "prepare, commit, abort" in message


def test_what_readers_ask_for() -> None:
    networks = SimulatedNetworks(config(), config("lab", peers=["only"]))
    listed = ask(networks, "list", client=READER)
    assert isinstance(listed, Mapping)
    assert listed["conditions"] == [
        {"name": "audit.unwritable", "severity": "degraded", "message": "the clock is an hour off"}
    ]
    entries = listed["networks"]
    assert isinstance(entries, list)
    assert [entry["network"] for entry in entries] == ["default", "lab"]
    peers = ask(networks, "peers", "lab", client=READER)
    assert isinstance(peers, Mapping)
    assert (peers["network"], [entry["name"] for entry in peers["peers"]]) == ("lab", ["only"])  # type: ignore[attr-defined] # what JSON holds
    assert ask(networks, "info", client=READER) == {"version": "1.2.3"}
    assert ask(networks, "ping", client=READER) == {"pong": True}


def test_an_administrator_tells_the_agent_to_stop() -> None:
    told: list[None] = []
    found = handler(SimulatedNetworks(), lambda: told.append(None))
    refusal = asyncio.run(found.answer(Request("1", "stop"), READER, NOW))
    assert (isinstance(refusal.result, Failure), told) == (True, [])
    response = asyncio.run(found.answer(Request("2", "stop"), ROOT, NOW))
    assert (response.result, told) == ({"stopping": True}, [None])


@pytest.mark.parametrize("action", ["join", "leave", "CONNECT", "x" * 1000])
def test_an_unknown_action_names_those_that_are_known(action: str) -> None:
    kind, message = refused(SimulatedNetworks(config()), action)
    assert kind is ErrorType.PARSE
    assert "connect, disconnect, status, reload, rotate_keys, list, peers, info, ping, stop" in message
    assert len(message) < 300


def test_a_config_where_none_belongs() -> None:
    kind, message = refused(SimulatedNetworks(config()), "disconnect", "default", {})
    assert (kind, message.startswith("config: disconnect takes none")) == (ErrorType.PARSE, True)


@pytest.mark.security
@pytest.mark.parametrize("action", EVENTS)
@pytest.mark.parametrize("client", [READER, STRANGER])
def test_who_may_only_look_changes_nothing(action: str, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    networks = SimulatedNetworks(config())
    assert refused(networks, action, client=client)[0] is ErrorType.PERMISSION
    assert networks.view("default").state is State.UNINITIALIZED
    (record,) = caplog.records
    told = vars(record)
    assert (record.message, told["action"], told["uid"], told["pid"]) == ("request.refused", action, 1000, client.pid)


@pytest.mark.security
@pytest.mark.parametrize(("action", "event"), EVENTS.items())
def test_who_changes_something_stands_in_the_log(action: str, event: str, caplog: pytest.LogCaptureFixture) -> None:
    networks = SimulatedNetworks(config())
    networks.networks["default"].state = State.ACTIVE if action == "disconnect" else State.STOPPED
    with caplog.at_level(logging.INFO):
        ask(networks, action, client=Client(1000, 902, 4245))
        ask(networks, "status")
    (record,) = caplog.records
    told = {key: vars(record)[key] for key in ("network", "uid", "gid", "pid")}
    assert (record.message, told) == (event, {"network": "default", "uid": 1000, "gid": 902, "pid": 4245})


def test_a_mistake_of_ours_is_an_answer_and_a_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    networks = SimulatedNetworks(config())
    networks.networks["default"] = None  # type: ignore[assignment] # the mistake
    kind, message = refused(networks, "status")
    assert (kind, message) == (ErrorType.INTERNAL, "a mistake in the agent itself; its log says more")
    assert [record.message for record in caplog.records if record.exc_info] == ["request.crashed"]


def test_what_is_accepted_and_goes_on() -> None:
    async def early(action: str, state: State) -> object:
        networks = SimulatedNetworks(config(), stuck=["default"])
        networks.networks["default"].state = state
        found, request = handler(networks), Request("1", action, "default")
        assert found.answer_on_the_way(request) is None
        task = asyncio.ensure_future(found.answer(request, ROOT, NOW))
        await asyncio.sleep(0)
        response = found.answer_on_the_way(request)
        task.cancel()
        return None if response is None else response.result

    connecting = {"network": "default", "state": "starting", "interface": "wg0", "peers": 2}
    assert asyncio.run(early("connect", State.STOPPED)) == connecting
    assert asyncio.run(early("disconnect", State.ACTIVE)) == {"network": "default", "state": "stopping"}
    assert handler(SimulatedNetworks()).answer_on_the_way(Request("1", "connect", "default")) is None


def test_nothing_else_is_answered_before_it_is_done() -> None:
    networks = SimulatedNetworks(config())
    networks.networks["default"].state = State.STARTING
    for action in ("status", "reload", "rotate_keys", "disconnect"):
        assert handler(networks).answer_on_the_way(Request("1", action, "default")) is None
