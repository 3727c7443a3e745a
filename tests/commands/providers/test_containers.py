"""The verbs about containers and sessions, without an engine (G-31 to G-37, V-52 to V-55)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.commands.commands import command, settings
from tests.commands.playbook import Playbook
from tests.commands.providers.hostile import OTHER_TYPES, TEXTS, hostile
from warren.commands.effects.containers import (
    Container,
    ContainerSpec,
    Image,
    InspectImage,
    ListContainers,
    PauseContainers,
    StartContainer,
    StopContainers,
)
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.locks import LockFile
from warren.commands.effects.openvpn import KillVpnSessions, ListVpnSessions, VpnSession
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.effects.records import DeleteRecord, GetMoment, GetRecord, ListRecords, PutRecord
from warren.commands.effects.system import GetClocks, GetRandomBytes, GetTime
from warren.commands.handlers.container_spec import encode_spec
from warren.commands.pipeline.executor import Executor
from warren.commands.providers import containers, monitoring, sessions
from warren.commands.providers.bootstrap import BOOTSTRAP, SESSION
from warren.commands.providers.containers import SUSPENDED
from warren.commands.result import NOT_RUN, Code, CommandError, Status
from warren.commands.settings import OpenVpnSettings, ServiceSettings
from warren.commands.verb import Verb, VerbContext
from warren.elapsed_clock import ClockReading, Deadline, Moment

pytestmark = pytest.mark.unit

SPAWN, STOP, LIST = containers.VERBS
STATUS, TERMINATE = sessions.VERBS
(MONITOR,) = monitoring.VERBS
SOCKET, MANAGEMENT, LOCK = "/nowhere/engine.sock", "/run/vpn.sock", "/var/lib/warren/runner/containers.lock"
SETTINGS = replace(settings(), services=ServiceSettings(openvpn=OpenVpnSettings(management=MANAGEMENT)))
OCCASION = VerbContext("node-1", "corr-1", "ada", SETTINGS)
OWN = ListContainers(SOCKET, "viw.agent=node-1")
ADA: dict[str, object] = {"username": "ada", "session_id": "s-1"}
WHOLE: dict[str, object] = {
    **ADA,
    "image": "viworks/chrome:latest",
    "cpu": 1.5,
    "mem_mb": 512,
    "egress_profile": "strict",
}
Bad = list[tuple[str, dict[str, object]]]
NAMES_OF_IMAGES = ("too long", "a colon")


def spoilt(good: Mapping[str, object], name: str, *values: object) -> Bad:
    return [(f"{name}: {value!r}", {**good, name: value}) for value in values]


CORPUS: list[tuple[Verb, Bad]] = [
    (SPAWN, [*hostile(ADA, "username", "session_id")]),
    (SPAWN, spoilt(ADA, "image", *(text for what, text in TEXTS.items() if what not in NAMES_OF_IMAGES))),
    (SPAWN, spoilt(ADA, "image", "a/../b", "a b", "-v", "/a", "a//b", "a:", "a@b@c", "a@sha256:0")),
    (SPAWN, spoilt(ADA, "cpu", -1, 0, 0.49, 4.01, 1e9, float("nan"), float("inf"), "1")),
    (SPAWN, spoilt(ADA, "mem_mb", -1, 0, 255, 8193, 1 << 70, 256.5, "512m")),
    (SPAWN, spoilt(ADA, "egress_profile", "", "none", "STRICT", "host", None)),
    *((SPAWN, spoilt(WHOLE, name, *(each for each in OTHER_TYPES if each != 1.5))) for name in WHOLE),
    *((SPAWN, spoilt(ADA, name, True)) for name in ("privileged", "binds", "cap_add", "network")),
    (STOP, [*hostile({"container_id": "a" * 64}, "container_id")]),
    (STOP, spoilt({}, "container_id", "a" * 13, "A" * 12, "a" * 11, "../../info", f"viw-{'a' * 12}")),
    (STATUS, [*hostile({"username": "ada"}, "username")]),
    (TERMINATE, [*hostile({"session_id": "s-1"}, "session_id")]),
    (LIST, [*hostile({}), ("a name", {"username": "ada"})]),
    (MONITOR, [*hostile({}), ("a name", {"username": "ada"})]),
]


@pytest.mark.security
@pytest.mark.parametrize(
    ("verb", "args"),
    [pytest.param(verb, args, id=f"{verb.name}, {what}"[:80]) for verb, bad in CORPUS for what, args in bad],
)
def test_hostile_arguments(verb: Verb, args: dict[str, object]) -> None:
    can_do_nothing = Executor("node-1", settings(), {}, lambda *_: b"", lambda _: None)
    result = asyncio.run(can_do_nothing.run(command(verb.name, args), verb, verb.run))
    # Whatever it had wanted done would have failed here, and that is another code.
    assert (result.status, result.error_code, result.rc) == (Status.DENIED, Code.VALIDATION_FAILED, NOT_RUN)


CLOCKS = ClockReading(1000.9, 50.9, "boot")


def container(
    number: int, user: str = "ada", session: str = "s-1", state: str = "running", at: int = 1000
) -> Container:
    labels = {
        "viw.agent": "node-1",
        "viw.session": session,
        "viw.user": user,
        "viw.started": str(at),
        "viw.boot": "50 boot",
    }
    return Container(f"{number:064x}", "viworks/chrome:latest", state, at, labels)


def specification(network: str = "bridge", memory: int = 512, cpus: float = 0.5) -> ContainerSpec:
    labels = {
        "viw.agent": "node-1",
        "viw.session": "s-1",
        "viw.user": "ada",
        "viw.started": "1000",
        "viw.boot": "50 boot",
    }
    name, image = f"viw-{'07' * 8}", "viworks/chrome:latest"
    return ContainerSpec(name, image, labels, network, memory << 20, cpus, 256, ("/tmp", "/data"))  # noqa: S108


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, specification()),
        ({"egress_profile": "default", "image": "viworks/chrome:latest"}, specification()),
        ({"egress_profile": "strict", "cpu": 4, "mem_mb": 8192}, specification("none", 8192, 4)),
    ],
)
def test_what_is_started(more: Mapping[str, object], wanted: ContainerSpec) -> None:
    play = Playbook(containers.spawn_container({**ADA, **more}, OCCASION))
    play.expect(InspectImage(SOCKET, "viworks/chrome:latest")).reply(Image(("/data",)))
    play.expect(GetRandomBytes(8)).reply(b"\7" * 8).expect(GetClocks()).reply(CLOCKS)
    play.expect(LockFile(LOCK)).reply().expect(OWN).reply(())
    play.expect(StartContainer(SOCKET, wanted)).reply("f" * 64)
    assert play.of(EmitEvent).event == "container.started"
    assert play.reply().returned == {"container_id": "f" * 64}


def test_the_host_s_own_network_is_none_for_a_container() -> None:
    table = replace(SETTINGS.containers, network="host", egress_network="host")
    occasion = replace(OCCASION, settings=replace(SETTINGS, containers=table))
    for profile in ("default", "strict"):
        with pytest.raises(CommandError, match="host network is not allowed") as refused:
            Playbook(containers.spawn_container({**ADA, "egress_profile": profile}, occasion))
        assert refused.value.code == Code.POLICY_DENIED


def test_what_confines_each() -> None:
    host = encode_spec(specification())["HostConfig"]
    assert isinstance(host, dict)
    confined = {
        "CapAdd": [],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "Binds": [],
        "Mounts": [],
        "Devices": [],
        "PublishAllPorts": False,
        "PidsLimit": 256,
        "Memory": 512 << 20,
        "MemorySwap": 512 << 20,
        "NanoCpus": 500_000_000,
    }
    assert {name: host[name] for name in confined} == confined


def test_the_limit_counts_what_lives() -> None:
    table = replace(SETTINGS.containers, max_containers=2)
    occasion = replace(OCCASION, settings=replace(SETTINGS, containers=table))
    play = Playbook(containers.spawn_container(ADA, occasion))
    play.reply(Image()).reply(b"\7" * 8).reply(CLOCKS).expect(LockFile(LOCK)).reply().expect(OWN)
    with pytest.raises(CommandError, match="max_containers"):
        play.reply((container(1), container(2, state="created"), container(3, state="exited")))


def test_a_session_ends_whose_vpn_did_not_answer_at_first() -> None:
    play = Playbook(sessions.end_session({"session_id": "s-1"}, OCCASION))
    play.expect(LockFile(LOCK)).reply().expect(OWN).reply((container(1), container(2, "bob", "s-2")))
    play.expect(GetRecord("session_ending", "s-1")).reply(None).expect(GetMoment()).reply(Moment(1000, 7))
    play.expect(PutRecord("session_ending", "s-1", {"users": ["ada"]}, Deadline(87_400, 86_407))).reply()
    play.expect(KillVpnSessions(MANAGEMENT, "ada")).fail("no answer")
    play.expect(StopContainers(SOCKET, (f"{1:064x}",), 5)).reply({})
    assert play.of(EmitEvent).fields["reason"] == "session"
    with pytest.raises(CommandError, match=r"1 of 1 .*remaining of session s-1: VPN connections of ada: no answer"):
        play.reply()
    again = Playbook(sessions.end_session({"session_id": "s-1"}, OCCASION))
    again.reply().expect(OWN).reply(()).expect(GetRecord("session_ending", "s-1")).reply({"users": ["ada"]})
    again.reply(Moment(1001, 8)).of(PutRecord)
    again.reply().expect(KillVpnSessions(MANAGEMENT, "ada")).reply(2)
    again.expect(DeleteRecord("session_ending", "s-1")).reply(outcome=True)
    again.expect(EmitEvent("session.terminated", {"session_id": "s-1", "users": ["ada"]})).reply()
    assert again.returned == {"session_terminated": True, "containers_stopped": 0, "vpn_sessions_ended": 2}


def test_a_container_that_does_not_end_is_named() -> None:
    play = Playbook(sessions.end_session({"session_id": "s-1"}, OCCASION))
    play.reply().reply((container(1), container(2))).reply(None).reply(Moment(1000, 7)).reply()
    play.expect(KillVpnSessions(MANAGEMENT, "ada")).reply(0).of(StopContainers)
    play.reply({f"{2:064x}": "it hangs"}).of(EmitEvent)
    with pytest.raises(CommandError, match=r"1 of 2 .*container 000000000000: it hangs"):
        play.reply()


@pytest.mark.parametrize("revoked", [True, False])
def test_bootstrap_secrets_of_a_session_go_first(revoked: bool) -> None:
    play = Playbook(sessions.terminate_session({"session_id": "s-1"}, OCCASION))
    play.expect(ListRecords(SESSION)).reply({"a": {"session_id": "s-1"}} if revoked else {})
    if revoked:
        play.expect(DeleteRecord(SESSION, "a")).reply(outcome=True)
    play.expect(ListRecords(BOOTSTRAP)).reply({}).expect(RunPrivileged())
    unknown = {"session_terminated": False, "containers_stopped": 0, "vpn_sessions_ended": None}
    if not revoked:
        with pytest.raises(CommandError, match="unknown session s-1"):
            play.reply(unknown)
        return
    assert play.reply(unknown).returned == {**unknown, "session_terminated": True, "bootstrap_revoked": 1}


def test_status_of_a_user() -> None:
    connection = VpnSession(1, "ada", "192.0.2.1:5000", ("10.8.0.2",), 900, 10, 20)
    play = Playbook(sessions.session_status({"username": "ada"}, OCCASION)).expect(GetTime()).reply(1060)
    play.expect(OWN).reply((container(1, state="exited"), container(2, "bob")))
    play.expect(ListVpnSessions(MANAGEMENT)).reply((connection, replace(connection, username="bob")))
    (own,) = (containers.container_members(container(1, state="exited"), 1060),)
    assert play.returned == {
        "username": "ada",
        "active": True,
        "sessions": [{"session_id": "s-1", "containers": [own]}],
        "vpn": [
            {
                "source": "192.0.2.1:5000",
                "addresses": ["10.8.0.2"],
                "since": 900,
                "received_bytes": 10,
                "sent_bytes": 20,
            }
        ],
        "unavailable": {},
    }
    assert own["age_seconds"] == 60


def test_a_status_that_cannot_be_known_is_no_status() -> None:
    play = Playbook(sessions.session_status({"username": "ada"}, OCCASION)).reply(1060)
    play.expect(OWN).fail("no engine").expect(ListVpnSessions(MANAGEMENT)).reply(())
    assert play.returned == {
        "username": "ada",
        "active": None,
        "sessions": None,
        "vpn": [],
        "unavailable": {"containers": "no engine"},
    }


def test_counts_say_what_they_do_not_know() -> None:
    play = Playbook(monitoring.counts({}, OCCASION))
    play.expect(OWN).reply((container(1), container(2, state="exited"), container(3, session="s-2")))
    play.expect(ListVpnSessions(MANAGEMENT)).fail("no answer")
    assert play.returned == {
        "users": {"count": 0, "not_listed": ["openvpn", "panel"]},
        "containers": {"count": 3, "running": 2},
        "sessions": {"count": 2, "vpn": None},
        "unavailable": {"users": "cannot be listed on this host: openvpn, panel", "vpn": "no answer"},
    }


def reaper(own: tuple[Container, ...], wall: float, boottime: float, boot_id: str = "boot") -> Playbook:
    play = Playbook(containers.remove_expired_containers(OCCASION))  # type: ignore[arg-type]
    return play.expect(GetClocks()).reply(ClockReading(wall, boottime, boot_id)).expect(OWN).reply(own)


@pytest.mark.security
def test_wall_clock_set_ahead_pauses_a_container_and_removes_none() -> None:
    running, paused = container(1), container(1, state="paused")
    play = reaper((running,), 1000 + 400 * 86_400, 60)
    play.expect(PutRecord(SUSPENDED, running.id, {})).reply()
    play.expect(PauseContainers(SOCKET, (running.id,), paused=True)).reply({})
    play.expect(EmitEvent("container.suspended", {"container_id": running.id})).reply()
    corrected = reaper((paused,), 1060, 110)
    corrected.expect(ListRecords(SUSPENDED)).reply({running.id: {}})
    corrected.expect(PauseContainers(SOCKET, (running.id,), paused=False)).reply({})
    corrected.expect(DeleteRecord(SUSPENDED, running.id)).reply(outcome=True)
    corrected.expect(EmitEvent("container.resumed", {"container_id": running.id})).reply()


@pytest.mark.security
def test_wall_clock_set_back_prolongs_no_container() -> None:
    running = container(1)
    play = reaper((running,), 10, 50 + 3_600)
    play.expect(PutRecord(SUSPENDED, running.id, {})).reply()
    play.expect(PauseContainers(SOCKET, (running.id,), paused=True)).reply({})


def test_container_that_somebody_else_paused_is_not_resumed() -> None:
    reaper((container(1, state="paused"),), 1060, 110).expect(ListRecords(SUSPENDED)).reply({})


def test_container_is_removed_when_both_clocks_have_passed_its_lifetime() -> None:
    running = container(1, state="paused")
    reaper((running,), 1000 + 3_600, 50 + 3_600).expect(StopContainers(SOCKET, (running.id,), 5))
