"""Containers of a real engine, started by an operator's signed words on a whole agent (G-31, G-33, G-35, V-55)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.commands.providers.dockerd import PROGRAMS, Engine, running_engine
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from warren.commands.result import Code, Result, Status

from .agent import USER
from .commanded import Commanded
from .conftest import MakeAgent

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.needs(*PROGRAMS),
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
TABLE = """
[containers]
docker_socket = "/engine/sock"
network = "none"
container_timeout_seconds = {seconds}
[sandbox]
grace_seconds = 0
"""


@pytest.fixture
def node(make_agent: MakeAgent) -> Commanded:
    return Commanded(make_agent("node"))


@pytest.fixture
def engine(node: Commanded) -> Iterator[Engine]:
    directory = node.agent.directory / "engine"
    directory.mkdir()
    with running_engine(directory) as engine:
        yield engine


def run(node: Commanded, verb: str, **args: object) -> Result:
    result = node.run(verb, **args)
    assert result.status == Status.SUCCESS, result.problem
    return result


def test_a_session_from_its_start_to_its_end(node: Commanded, engine: Engine) -> None:
    node.prepare(TABLE.format(seconds=3600))
    node.start()
    container = run(node, "spawn_container", username="ada", session_id="s-1").data["container_id"]
    assert engine.ids() == {container}
    assert run(node, "get_session_status", username="ada").data["active"] is True
    assert run(node, "get_monitoring_data").data["containers"] == {"count": 1, "running": 1}
    bootstrap = run(node, "generate_bootstrap", username="ada", session_id="s-1", ttl_seconds=60)
    assert bootstrap.data["expires_at"]
    ended = run(node, "terminate_session", session_id="s-1").data
    assert (ended["containers_stopped"], ended["bootstrap_revoked"]) == (1, 1)
    assert engine.ids() == set()
    assert node.run("terminate_session", session_id="s-1").error_code == Code.EXEC_FAILED
    events = [line["event"] for line in node.audit()]
    assert {"container.started", "container.stopped", "session.terminated"} <= set(events)


def test_time_is_up_after_the_agent_was_killed(node: Commanded, engine: Engine) -> None:
    node.prepare(TABLE.format(seconds=15))
    node.start()
    container = run(node, "spawn_container", username="ada", session_id="s-1").data["container_id"]
    node.agent.host.kill(node.agent.pid())
    assert engine.ids() == {container}
    node.start()
    until(lambda: not engine.ids(), "its time is up", 150.0)
    stopped = [line["details"] for line in node.audit() if line["event"] == "container.stopped"]
    assert [(each["container_id"], each["reason"]) for each in stopped] == [(container, "timeout")]
