"""What an agent exposes of its subsystems."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.localapi.simulator import SimulatedNetworks, config
from warren.agent.config import load_config
from warren.agent.io.api import AgentApi
from warren.agent.io.local_http import LocalHttp
from warren.agent.subsystem import Subsystem
from warren.config.defaults import defaults_for
from warren.files.unix_listener import Listener, listen
from warren.http.io.listeners import TcpAddress, open_tcp
from warren.http.io.opening import Opening
from warren.local_client import Client
from warren.localapi.action import Action, Data
from warren.localapi.messages import PROTOCOL_VERSION, Request
from warren.telemetry.conditions import Condition

pytestmark = pytest.mark.integration


async def count(request: Request, client: Client, _now: float) -> Data:
    return {"network": request.network, "pid": client.pid}


PLANTED = Subsystem(
    "planted",
    conditions=lambda: (Condition("service.down", "planted is down"),),
    actions=(Action("count", count, read_only=True),),
)


def api(*subsystems: Subsystem, http: LocalHttp | None = None) -> AgentApi:
    """Return the API of an agent that has nothing but these subsystems."""
    configuration = load_config("", "agent.toml", defaults_for("warren"))
    return AgentApi(configuration, SimulatedNetworks(config()), http or LocalHttp(), subsystems)


def servers(agent: AgentApi, listener: Listener) -> list[Subsystem]:
    """Return the servers of an agent with that control socket."""
    return [*agent.servers(listener, defaults_for("warren"), lambda: None, has_helper=False)]


def exchange(agent: AgentApi, path: Path, *requests: bytes) -> list[dict[str, object]]:
    """Return the responses of the agent's control socket."""

    async def whole() -> list[dict[str, object]]:
        server = servers(agent, listen(path, trust=None))[0]
        task = asyncio.ensure_future(server.run())
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"\n".join(requests))
        writer.write_eof()
        responses = [json.loads(line) async for line in reader]
        writer.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return responses

    return asyncio.run(whole())


def test_actions_and_conditions_of_a_planted_subsystem_are_served(tmp_path: Path) -> None:
    """No module but the subsystem's own knows its name, its action or its condition."""
    count_, listed = exchange(api(PLANTED), tmp_path / "agent.sock", b'{"action":"count"}', b'{"action":"list"}')
    assert count_["data"] == {"network": "default", "pid": os.getpid()}
    assert isinstance(listed["data"], dict)
    assert listed["data"]["conditions"] == [
        {"name": "service.down", "severity": "degraded", "message": "planted is down"}
    ]


def test_an_agent_without_the_subsystem_rejects_its_action(tmp_path: Path) -> None:
    (response,) = exchange(api(), tmp_path / "agent.sock", b'{"action":"count"}')
    assert response["success"] is False


def test_info_names_the_protocol_version_and_counts_rejected_requests(tmp_path: Path) -> None:
    responses = exchange(api(), tmp_path / "agent.sock", b'{"action":"info"}', b"[]", b"{}", b'{"action":"info"}')
    before, after = responses[0]["data"], responses[-1]["data"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["protocol_version"], before["requests_rejected"]) == (PROTOCOL_VERSION, 0)
    assert after["requests_rejected"] == 2


def test_there_is_a_server_for_each_listener(tmp_path: Path) -> None:
    address = TcpAddress(ip_address("127.0.0.1"), 0)
    opened, unopened = (Opening(name, partial(open_tcp, address)) for name in ("opened", "unopened"))
    listener = opened.attempt()
    assert listener is not None
    http = LocalHttp((opened, unopened))

    async def names() -> list[str]:
        with listen(tmp_path / "agent.sock", trust=None) as listener:
            return [each.name for each in servers(api(http=http), listener)]

    assert asyncio.run(names()) == ["control", "http opened", "http unopened"]
    assert api(http=http).info()["http"] == [listener.name]
    listener.close()
