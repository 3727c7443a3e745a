"""Containers of a real engine, started, confined and ended by the verbs (G-31 to G-37, V-52 to V-55, X-27)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.commands.commands import settings
from tests.commands.providers.dockerd import IMAGE, NETWORK, PROGRAMS, WITH_VOLUME, Engine, running_engine
from tests.commands.providers.performing import Node
from warren.clock import read_clocks
from warren.commands.effects.containers import ContainerSpec, StartContainer
from warren.commands.effects.effect import EffectError, Effects
from warren.commands.effects.records import DeleteRecord, GetRecord, ListRecords, PutRecord
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.containers import start_container
from warren.commands.providers import containers, monitoring, sessions, users
from warren.commands.providers.containers import remove_expired_containers
from warren.commands.result import Code, Result, Status
from warren.commands.settings import ContainerSettings, PanelSettings, SandboxSettings, ServiceSettings
from warren.commands.verb import VerbContext

pytestmark = [
    pytest.mark.integration,
    pytest.mark.root,
    pytest.mark.needs(*PROGRAMS),
    pytest.mark.skipif(os.geteuid() != 0, reason="an engine is root's"),
]

SPAWN, STOP, LIST = containers.VERBS
STATUS, TERMINATE = sessions.VERBS
ADA: dict[str, object] = {"username": "ada", "session_id": "s-1"}
TIMEOUT_SECONDS = 60

REAPING = """
import asyncio, sys
from tests.commands.providers.test_engine import gateway
from warren.commands.pipeline.periodic import run_periodic
from warren.commands.providers.containers import remove_expired_containers
node = gateway(*sys.argv[1:3], timeout=int(sys.argv[3]))
asyncio.run(run_periodic(node._executor(), (remove_expired_containers,)))
"""


@pytest.fixture(scope="module")
def of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("dk")) as engine:
        yield engine


@pytest.fixture
def engine(of_module: Engine) -> Iterator[Engine]:
    yield of_module
    of_module.clear()


@pytest.fixture
def node(engine: Engine, tmp_path: Path) -> Node:
    return gateway(engine.socket, str(tmp_path))


def gateway(socket: str, directory: str, *, timeout: int = 3600, most: int = 50) -> Node:
    table = ContainerSettings(
        socket,
        images=(WITH_VOLUME, "viworks/absent:1"),
        network=NETWORK,
        max_containers=most,
        container_timeout_seconds=timeout,
    )
    basis = settings(directory, sandbox=SandboxSettings(grace_seconds=0))
    return Node(replace(basis, runner=directory, containers=table), records())


def records() -> Handlers:
    """Kept while the process lives."""
    kept: dict[tuple[str, str], Mapping[str, object]] = {}

    async def keep(effect: PutRecord, _: Execution) -> None:
        kept[effect.kind, effect.key] = effect.value

    async def find(effect: GetRecord, _: Execution) -> Mapping[str, object] | None:
        return kept.get((effect.kind, effect.key))

    async def drop(effect: DeleteRecord, _: Execution) -> bool:
        return kept.pop((effect.kind, effect.key), None) is not None

    async def list_all(effect: ListRecords, _: Execution) -> Mapping[str, Mapping[str, object]]:
        return {key: value for (kind, key), value in kept.items() if kind == effect.kind}

    return {PutRecord: keep, GetRecord: find, DeleteRecord: drop, ListRecords: list_all}


def spawned(node: Node, **args: object) -> str:
    result = node.run(SPAWN, {**ADA, **args})
    assert result.status == Status.SUCCESS, result.problem
    return str(result.data["container_id"])


def refused(result: Result, code: Code = Code.EXEC_FAILED) -> str:
    assert (result.status != Status.SUCCESS, result.error_code) == (True, code), result
    return result.problem


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.security
def test_it_is_confined(engine: Engine, node: Node) -> None:
    container = spawned(node)
    status = engine.inside(container, "cat /proc/1/status")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert "Read-only file system" in engine.inside(container, "echo x > /x")
    assert engine.inside(container, "echo x > /tmp/x && cat /tmp/x") == "x"
    assert "Max open files            8192                 8192" in engine.inside(container, "cat /proc/1/limits")
    tmp = engine.inside(container, "grep ' /tmp ' /proc/mounts")
    assert {"nosuid", "nodev", "noexec", "size=65536k"} <= set(tmp.split()[3].split(","))
    assert "permission denied" in engine.inside(container, "mount -o remount,rw /")
    found = engine.inspect(container)
    assert found["Mounts"] == []
    assert (found["HostConfig"]["Privileged"], found["HostConfig"]["Binds"]) == (False, [])


def test_its_labels_and_its_usual_limits(engine: Engine, node: Node) -> None:
    container = spawned(node)
    found = engine.inspect(container)
    labels = found["Config"]["Labels"]
    assert abs(int(labels.pop("viw.started")) - time.time()) < TIMEOUT_SECONDS
    assert labels.pop("viw.boot").endswith(read_clocks().boot_id)
    assert labels == {"viw.agent": "node-1", "viw.session": "s-1", "viw.user": "ada"}
    assert cgroup(found, "memory", "memory.limit_in_bytes", "memory.max") == str(512 << 20)
    assert cgroup(found, "pids", "pids.max", "pids.max") == "256"
    assert found["HostConfig"]["NanoCpus"] == 500_000_000
    assert found["HostConfig"]["MemorySwap"] == 512 << 20
    about = {"container_id": container, "image": IMAGE, "username": "ada", "session_id": "s-1"}
    assert node.events == [("container.started", about)]


def cgroup(found: Mapping[str, Mapping[str, object]], controller: str, first: str, second: str) -> str:
    """A limit as the kernel has it, by whichever version of cgroups this host has."""
    for line in Path(f"/proc/{found['State']['Pid']}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return Path(f"/sys/fs/cgroup/{controller}{path}/{first}").read_text().strip()
        if not controllers and (limit := Path(f"/sys/fs/cgroup{path}/{second}")).exists():
            return limit.read_text().strip()
    raise AssertionError(controller)


def test_limits_that_a_command_asks_for(engine: Engine, node: Node) -> None:
    found = engine.inspect(spawned(node, cpu=2, mem_mb=256))
    assert cgroup(found, "memory", "memory.limit_in_bytes", "memory.max") == str(256 << 20)
    assert found["HostConfig"]["NanoCpus"] == 2_000_000_000
    table = replace(node.settings.containers, max_cpu=1.0, max_memory_mb=1024)
    node.settings = replace(node.settings, containers=table)
    assert "1.5 exceeds 1 ([containers] max_cpu)" in refused(node.run(SPAWN, {**ADA, "cpu": 1.5}), Code.POLICY_DENIED)
    assert "2048 exceeds 1024 ([containers] max_memory)" in refused(
        node.run(SPAWN, {**ADA, "mem_mb": 2048}), Code.POLICY_DENIED
    )


@pytest.mark.security
def test_strict_has_no_way_out(engine: Engine, node: Node) -> None:
    usual, strict = spawned(node), spawned(node, egress_profile="strict")
    assert "eth0" in engine.inside(usual, "ip link")
    links = engine.inside(strict, "ip -o link").splitlines()
    assert [line.split(": ")[1].partition("@")[0] for line in links if "LOOPBACK" in line] == ["lo"]
    assert not any("eth" in line for line in links)
    assert engine.inside(strict, "ip route") == ""


def test_a_volume_of_an_image_is_memory_too(engine: Engine, node: Node) -> None:
    container = spawned(node, image=WITH_VOLUME)
    assert engine.inside(container, "grep ' /data ' /proc/mounts").startswith("tmpfs")
    assert engine.docker("volume", "ls", "--quiet") == ""


@pytest.mark.parametrize(
    ("image", "code"), [("viworks/other:1", Code.POLICY_DENIED), ("viworks/absent:1", Code.EXEC_FAILED)]
)
def test_an_image_that_may_not_be_or_is_not(engine: Engine, node: Node, image: str, code: Code) -> None:
    assert image in refused(node.run(SPAWN, {**ADA, "image": image}), code)
    assert engine.ids() == set()


def test_one_that_cannot_start_is_not_left_behind(engine: Engine, node: Node) -> None:
    engine.docker("import", "--change", 'CMD ["/bin/absent"]', "-", "viworks/broken:1", stdin=broken())
    node.settings = replace(node.settings, containers=replace(node.settings.containers, base_image="viworks/broken:1"))
    assert "/bin/absent" in refused(node.run(SPAWN, ADA))
    assert engine.ids() == set()


def named(name: str) -> ContainerSpec:
    """Return what this agent starts, under a name that a test chooses."""
    labels = {"viw.agent": "node-1", "viw.session": "s-1", "viw.user": "ada", "viw.started": "1"}
    return ContainerSpec(name, IMAGE, labels, "none", 64 << 20, 0.5, 16, ())


def start(socket: str, spec: ContainerSpec) -> str:
    return asyncio.run(start_container(StartContainer(socket, spec), cast("Execution", None)))


@pytest.mark.security
@pytest.mark.parametrize("labels", [(), ("--label", "viw.agent=node-1")])
def test_a_foreign_container_with_the_name_of_a_new_one_stays(engine: Engine, labels: tuple[str, ...]) -> None:
    foreign = engine.docker("run", "--detach", "--network", "none", "--name", "viw-1", *labels, IMAGE)
    with pytest.raises(EffectError, match="already in use"):
        start(engine.socket, named("viw-1"))
    assert engine.ids() == {foreign}
    assert engine.inspect(foreign)["State"]["Running"]


def test_a_container_whose_creation_was_not_answered_is_removed(engine: Engine, tmp_path: Path) -> None:
    foreign = engine.docker("run", "--detach", "--network", "none", "--name", "viw-10", IMAGE)
    lossy = losing_answers(engine.socket, tmp_path / "lossy", b"/containers/create")
    with lossy as address, pytest.raises(EffectError):
        start(address, named("viw-1"))
    assert engine.ids() == {foreign}


@contextmanager
def losing_answers(engine: str, path: Path, of: bytes) -> Iterator[str]:
    """Serve the engine at another socket, where the answer to one kind of request is lost with its connection."""

    def serve(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(engine)
            while asked := client.recv(1 << 20):
                server.sendall(asked)
                answer = server.recv(1 << 20)
                if of in asked:
                    return
                client.sendall(answer)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield str(path)
        listener.shutdown(socket.SHUT_RDWR)


def broken() -> bytes:
    """An archive with nothing in it."""
    return bytes(1024)


def test_listed_and_stopped(engine: Engine, node: Node) -> None:
    container = spawned(node)
    (listed,) = told(node.run(LIST, {}))
    assert 0 <= int(str(listed.pop("age_seconds"))) < TIMEOUT_SECONDS
    about = {"container_id": container, "image": IMAGE, "username": "ada", "session_id": "s-1", "state": "running"}
    assert listed == about
    assert node.run(STOP, {"container_id": container[:12]}).data == {"container_stopped": True}
    assert engine.ids() == set()
    ended = {"container_id": container, "username": "ada", "session_id": "s-1", "reason": "stopped"}
    assert node.events[-1] == ("container.stopped", ended)
    assert "has no container" in refused(node.run(STOP, {"container_id": container}))


def told(result: Result) -> list[dict[str, object]]:
    found = result.data["containers"]
    assert isinstance(found, list)
    return found


@pytest.mark.security
def test_foreign_containers_are_refused(engine: Engine, node: Node) -> None:
    own = spawned(node)
    foreign = engine.docker("run", "--detach", "--network", "none", "--name", own[:12], IMAGE)
    other = engine.docker("run", "--detach", "--network", "none", "--label", "viw.agent=node-2", IMAGE)
    for container in (foreign, other, foreign[:12], other[:12]):
        assert "has no container" in refused(node.run(STOP, {"container_id": container}))
    # The name of a foreign one reads as the id of ours.
    assert node.run(STOP, {"container_id": own[:12]}).status == Status.SUCCESS
    assert node.run_internal(remove_expired_containers, time.time() + 1_000_000).removed == ()
    assert engine.ids() == {foreign, other}


def test_not_more_than_there_may_be_however_many_ask(engine: Engine, tmp_path: Path) -> None:
    nodes = [gateway(engine.socket, str(tmp_path), most=3) for _ in range(8)]

    async def all_at_once() -> list[Result]:
        return await asyncio.gather(*(each.running(SPAWN, ADA) for each in nodes))

    results = asyncio.run(all_at_once())
    assert sorted(result.error_code for result in results) == [Code.EXEC_FAILED] * 5 + [Code.NONE] * 3
    assert {result.problem for result in results} - {""} == {
        "limit of 3 containers reached ([containers] max_containers)"
    }
    assert len(engine.ids()) == 3


def test_one_that_is_cancelled_while_it_starts_leaves_nothing(engine: Engine, node: Node) -> None:
    async def play(after: float) -> None:
        task = asyncio.create_task(node.running(SPAWN, ADA))
        await asyncio.sleep(after)
        task.cancel()
        result = await task
        if result.status == Status.SUCCESS:
            await node.running(STOP, {"container_id": result.data["container_id"]})

    for after in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4):
        asyncio.run(play(after))
        until(lambda: all(engine.inspect(each)["State"]["Status"] == "created" for each in engine.ids()))
    # What the engine made after its client had gone never ran, and goes with the next look.
    node.run_internal(remove_expired_containers, time.time() + containers.NEVER_STARTED_SECONDS + 1)
    assert engine.ids() == set()


def test_its_time_is_up_though_the_agent_was_killed_meanwhile(engine: Engine, tmp_path: Path) -> None:
    node = gateway(engine.socket, str(tmp_path), timeout=3)
    reaper = reaping(engine, tmp_path)
    reaper.kill()
    assert reaper.wait() == -signal.SIGKILL
    container = spawned(node)
    again = reaping(engine, tmp_path)
    try:
        assert engine.ids() == {container}
        until(lambda: not engine.ids())
    finally:
        again.kill()
        again.wait()


def reaping(engine: Engine, directory: Path) -> subprocess.Popen[bytes]:
    """A process that does what is due, as the agent does, and has looked once or will soon."""
    return subprocess.Popen([sys.executable, "-c", REAPING, engine.socket, str(directory), "3"])


@pytest.mark.security
def test_container_is_suspended_while_the_wall_clock_is_ahead(engine: Engine, node: Node) -> None:
    container = spawned(node)
    present = read_clocks()
    ahead = replace(present, wall=present.wall + 1_000_000)
    assert node.run_internal_at(remove_expired_containers, ahead).failed == {}
    assert engine.inspect(container)["State"]["Paused"] is True
    assert node.run_internal_at(remove_expired_containers, present).failed == {}
    assert engine.inspect(container)["State"]["Paused"] is False
    node.run_internal_at(remove_expired_containers, ahead)
    both = replace(ahead, boottime=present.boottime + 3_601)
    assert node.run_internal_at(remove_expired_containers, both).removed == (container,)


def test_the_reaper_says_when_to_look_again(engine: Engine, node: Node) -> None:
    container = spawned(node)
    label = int(engine.inspect(container)["Config"]["Labels"]["viw.started"])
    assert node.run_internal(remove_expired_containers, label + 3590).next_run_seconds == 10
    assert node.run_internal(remove_expired_containers, label + 3599).removed == ()
    assert node.run_internal(remove_expired_containers, label + 3600).removed == (container,)
    assert node.events[-1][1]["reason"] == "timeout"
    assert engine.ids() == set()


def test_one_that_ended_by_itself_is_removed_and_keeps_no_place(engine: Engine, tmp_path: Path) -> None:
    node = gateway(engine.socket, str(tmp_path), most=1)
    first = spawned(node)
    engine.docker("kill", first)
    second = spawned(node)
    assert node.run_internal(remove_expired_containers).removed == (first,)
    assert engine.ids() == {second}
    assert node.events[-1][1]["reason"] == "ended"


def test_a_session_and_its_end(engine: Engine, node: Node) -> None:
    first, second = spawned(node), spawned(node)
    other = spawned(node, session_id="s-2", username="bob")
    status = node.run(STATUS, {"username": "ada"}).data
    assert (status["active"], status["vpn"]) == (True, None)
    assert [{each["session_id"]: len(each["containers"])} for each in status["sessions"]] == [{"s-1": 2}]  # type: ignore[attr-defined]
    done = node.run(TERMINATE, {"session_id": "s-1"})
    assert done.data == {
        "session_terminated": True,
        "containers_stopped": 2,
        "vpn_sessions_ended": None,
        "bootstrap_revoked": 0,
    }
    assert engine.ids() == {other}
    assert {fields["container_id"] for event, fields in node.events if event == "container.stopped"} == {first, second}
    assert "unknown session s-1" in refused(node.run(TERMINATE, {"session_id": "s-1"}))


def test_containers_of_who_is_deleted_end(engine: Engine, node: Node, tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text("ada:x\n")
    services = ServiceSettings(panel=PanelSettings(str(tmp_path / "htpasswd")))
    node.settings = replace(node.settings, services=services)
    spawned(node)
    other = spawned(node, username="bob")
    delete = users.VERBS[0]
    assert node.run(delete, {"username": "ada"}).data["containers_stopped"] == 1
    assert engine.ids() == {other}


def test_counts(node: Node) -> None:
    spawned(node)
    spawned(node, session_id="s-2")
    found = count(node)
    assert found["containers"] == {"count": 2, "running": 2}
    assert found["sessions"] == {"count": 2, "vpn": None}
    assert "management is not set" in found["unavailable"]["vpn"]  # type: ignore[index]


def count(node: Node) -> Mapping[str, object]:
    def part(occasion: VerbContext) -> Effects[Mapping[str, object]]:
        return (yield from monitoring.counts({}, occasion))

    return node.run_internal(part)


def test_an_engine_that_is_not_there_or_does_not_answer(tmp_path: Path) -> None:
    node = gateway(str(tmp_path / "none"), str(tmp_path))
    assert "no such socket" in refused(node.run(LIST, {}))
    assert "no such socket" in refused(node.run(SPAWN, ADA))
    assert node.run_internal(remove_expired_containers).failed == {}
    assert count(node)["containers"] is None
    stale = tmp_path / "none"
    subprocess.run([sys.executable, "-c", f"import socket; socket.socket(1).bind({str(stale)!r})"], check=True)
    assert stat.S_ISSOCK(stale.stat().st_mode)
    assert "connection refused" in refused(node.run(LIST, {}))


def test_a_socket_that_may_not_be_opened(engine: Engine, tmp_path: Path) -> None:
    program = f"""
import os
from tests.commands.providers.test_engine import LIST, gateway
node = gateway({engine.socket!r}, {str(tmp_path)!r})
node.run(LIST, {{}})  # what is imported late comes from where the other user may not look
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(node.run(LIST, {{}}).problem)
"""
    for each in (engine.directory, *engine.directory.parents[:2]):
        each.chmod(0o711)
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout.decode()
    assert "permission denied" in said
