"""Dispatch, permission, counting and logging of requests (H-30 to H-38, H-40)."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.localapi.actions import ADMIN, READER, ROOT, STRANGER, agent_actions, ask, rejected, router
from tests.localapi.simulator import NOW, SimulatedNetworks, config
from warren.local_client import Client
from warren.localapi.action import Action, Data
from warren.localapi.messages import ErrorType, Failure, Request, Response
from warren.localapi.router import RejectionCounter
from warren.tunnel.lifecycle import State

pytestmark = pytest.mark.unit

EVENTS = {each.name: each.event for each in agent_actions(SimulatedNetworks()) if each.event is not None}


def test_every_action_that_is_not_read_only_has_an_event() -> None:
    for action in agent_actions(SimulatedNetworks()):
        assert action.read_only == (action.event is None), action.name


@pytest.mark.parametrize("action", ["join", "leave", "CONNECT", "x" * 1000])
def test_router_names_known_actions_for_an_unknown_one(action: str) -> None:
    kind, message = rejected(SimulatedNetworks(config()), action)
    assert kind is ErrorType.PARSE
    assert "expected one of connect, disconnect, status, reload, rotate_keys, peers, list, info, ping, stop" in message
    assert len(message) < 300


def test_router_rejects_config_for_an_action_that_takes_none() -> None:
    kind, message = rejected(SimulatedNetworks(config()), "disconnect", "default", {})
    assert (kind, message.startswith("config: disconnect takes no config")) == (ErrorType.PARSE, True)


@pytest.mark.security
@pytest.mark.parametrize("action", EVENTS)
@pytest.mark.parametrize("client", [READER, STRANGER])
def test_router_rejects_changes_by_non_administrators(
    action: str, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    networks = SimulatedNetworks(config())
    assert rejected(networks, action, client=client)[0] is ErrorType.PERMISSION
    assert networks.view("default").state is State.UNINITIALIZED
    (record,) = caplog.records
    fields = vars(record)
    actual = (record.message, fields["action"], fields["uid"], fields["pid"])
    assert actual == ("request.rejected", action, 1000, client.pid)


@pytest.mark.security
@pytest.mark.parametrize(("action", "event"), EVENTS.items())
def test_router_logs_the_client_of_each_change(action: str, event: str, caplog: pytest.LogCaptureFixture) -> None:
    networks = SimulatedNetworks(config())
    networks.networks["default"].state = State.ACTIVE if action == "disconnect" else State.STOPPED
    with caplog.at_level(logging.INFO):
        ask(networks, action, client=ADMIN)
        ask(networks, "status")
    (record,) = caplog.records
    fields = {key: vars(record)[key] for key in ("network", "uid", "gid", "pid")}
    assert (record.message, fields) == (event, {"network": "default", "uid": 1000, "gid": 902, "pid": 4245})


def test_router_logs_a_failed_change_as_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert rejected(SimulatedNetworks(config()), "connect", "lab")[0] is ErrorType.NETWORK
    assert rejected(SimulatedNetworks(config()), "status", "lab")[0] is ErrorType.NETWORK
    warnings = [vars(record) for record in caplog.records if record.levelno == logging.WARNING]
    assert [(each["message"], each["action"]) for each in warnings] == [("request.failed", "connect")]


def test_router_answers_and_logs_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    networks = SimulatedNetworks(config())
    networks.networks["default"] = None  # type: ignore[assignment] # the defect
    kind, message = rejected(networks, "status")
    assert (kind, message) == (ErrorType.INTERNAL, "internal error; see the agent log")
    assert [record.message for record in caplog.records if record.exc_info] == ["request.crashed"]


def test_router_counts_only_requests_that_ran_no_action() -> None:
    rejections = RejectionCounter()
    serving = router(agent_actions(SimulatedNetworks(config())), rejections)
    counts = []
    for request, client in (
        (Request("1", "ping"), ROOT),
        (Request("2", "status", "lab"), ROOT),
        (Request("3", "join"), ROOT),
        (Request("4", "ping", config={}), ROOT),
        (Request("5", "stop"), READER),
    ):
        asyncio.run(serving.respond(request, client, NOW))
        counts.append(int(rejections))
    assert counts == [0, 0, 1, 2, 3]


def test_router_rejects_two_actions_of_one_name() -> None:
    twice = agent_actions(SimulatedNetworks())[:1] * 2
    with pytest.raises(ValueError, match="action connect is registered twice"):
        router(twice)


def test_router_serves_an_action_by_its_row_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Plant an action: permission, `config`, event and response come from its row, and no other module knows it."""

    async def count(request: Request, client: Client, now: float) -> Data:
        return {"config": request.config, "uid": client.uid, "now": now}

    planted = Action("count", count, takes_config=True, event="planted.count")
    looking = Action("look", count, read_only=True, interim_data=lambda request: {"early": request.network})
    serving = router([*agent_actions(SimulatedNetworks()), planted, looking])

    def result(request: Request, client: Client) -> Response:
        return asyncio.run(serving.respond(request, client, NOW))

    with caplog.at_level(logging.INFO):
        assert result(Request("1", "count", config={"to": 3}), ADMIN).result == {
            "config": {"to": 3},
            "uid": 1000,
            "now": NOW,
        }
    assert [record.message for record in caplog.records] == ["planted.count"]
    assert isinstance(result(Request("2", "count"), READER).result, Failure)
    assert result(Request("3", "look"), READER).result == {"config": None, "uid": 1000, "now": NOW}
    assert isinstance(result(Request("4", "look", config={}), READER).result, Failure)
    assert serving.interim_response(Request("5", "look", "lab")) == Response("5", {"early": "lab"})
    assert serving.interim_response(Request("6", "count")) is None
