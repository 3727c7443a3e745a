"""What each action about the agent as a whole does and returns."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tests.localapi.actions import READER, ROOT, agent_actions, ask, router
from tests.localapi.simulator import NOW, SimulatedNetworks, config
from warren.localapi.messages import Failure, Request

pytestmark = pytest.mark.unit


def test_readers_may_list_peers_info_and_ping() -> None:
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


def test_only_an_administrator_stops_the_agent() -> None:
    stopped: list[None] = []
    serving = router(agent_actions(SimulatedNetworks(), lambda: stopped.append(None)))
    refusal = asyncio.run(serving.respond(Request("1", "stop"), READER, NOW))
    assert (isinstance(refusal.result, Failure), stopped) == (True, [])
    response = asyncio.run(serving.respond(Request("2", "stop"), ROOT, NOW))
    assert (response.result, stopped) == ({"stopping": True}, [None])
