"""Containers of sessions: started confined, counted, and stopped when they expire (G-33 to G-37, V-52, V-53).

The labels of a container, which the engine stores, name the agent that owns it. So an agent knows its containers after
a restart, and no command can stop a container without the label of this agent.

A container whose lifetime is over by one clock alone is paused, and goes on if the wall clock is corrected. It is
removed when both clocks say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any

from warren.commands.effects.containers import (
    Container,
    ContainerSpec,
    EngineUnavailableError,
    InspectImage,
    ListContainers,
    PauseContainers,
    StartContainer,
    StopContainers,
)
from warren.commands.effects.effect import Effects, do
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.locks import LockFile
from warren.commands.effects.records import DeleteRecord, ListRecords, PutRecord
from warren.commands.effects.system import GetClocks, GetRandomBytes, GetTime
from warren.commands.providers.arguments import SESSION_ID, USERNAME
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Choice, Number, Schema, Text
from warren.commands.settings import CommandSettings, ContainerSettings, engine_network_problem
from warren.commands.verb import RECHECK_SECONDS, Data, TaskResult, Verb, VerbContext
from warren.elapsed_clock import ClockReading, Deadline, Moment

AGENT, SESSION, USER, STARTED = "viw.agent", "viw.session", "viw.user", "viw.started"
BOOT = "viw.boot"
"""The boot-time clock at the start, in seconds, and the boot id."""
STOPPED = ("exited", "dead")
PAUSED = "paused"
SUSPENDED = "container_suspended"
"""The kind of the records of containers that this agent has paused: it resumes no others."""
NEVER_STARTED_SECONDS = 300  # longer than a command may take between creating and starting one
SCRATCH = "/tmp"  # noqa: S108, in the container
NAME_BYTES = 8

CONTAINER_ID = Text("[0-9a-f]{12}|[0-9a-f]{64}", "a container id of 12 or 64 hexadecimal digits in lower case")
# Docker's reference grammar in outline: no blank and no two dots in a row, so no path traversal.
IMAGE = Text(
    "(?=.{1,255}$)[A-Za-z0-9]+(?:(?:[.:/]|_{1,2}|-{1,8})[A-Za-z0-9]+)*(?:@sha256:[0-9a-f]{64})?",
    "the name of an image, such as viworks/chrome:latest",
)
CPU = Number(0.5, 4, whole=False, unit="processors")
MEMORY = Number(256, 8192, unit="MB")
EGRESS = Choice(("default", "strict"))


def spawn_container(args: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Start a container: `{container_id}`.

    Raises:
        CommandError: POLICY_DENIED for an image or an amount that the configuration does not allow; EXEC_FAILED if the
            image is not on this host or max_containers is reached, also by concurrent commands.
    """
    settings: CommandSettings = context.settings
    spec = yield from _make_spec(args, context)
    yield from do(LockFile(lock_path(settings)))
    own = yield from list_own(context)
    limit = settings.containers.max_containers
    if sum(container.state not in STOPPED for container in own) >= limit:
        raise failed(f"limit of {limit} containers reached ([containers] max_containers)")
    container_id = yield from do(StartContainer(settings.containers.docker_socket, spec))
    fields = {"container_id": container_id, "image": spec.image, "username": args["username"]}
    yield from do(EmitEvent("container.started", {**fields, "session_id": args["session_id"]}))
    return {"container_id": container_id}


def stop_container(args: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """Stop a container: `{container_stopped}`.

    Raises:
        CommandError: EXEC_FAILED for one that does not belong to this agent.
    """
    container_id = args["container_id"]
    matching = [container for container in (yield from list_own(context)) if container.id.startswith(container_id)]
    if len(matching) != 1:
        raise failed(f"this agent has no container {container_id}")
    if problems := (yield from stop(context, matching, "stopped")):
        raise failed(f"container {container_id}: {problems[matching[0].id]}")
    return {"container_stopped": True}


def list_containers(_: Mapping[str, Any], context: VerbContext) -> Effects[Data]:
    """List this agent's containers: `{containers}`, also stopped ones that are not removed yet."""
    now = yield from do(GetTime())
    own = yield from list_own(context)
    return {"containers": [container_members(container, now) for container in own]}


def remove_expired_containers(context: VerbContext) -> Effects[TaskResult]:
    """Stop and remove containers that have expired by both clocks, and remove those that have exited (G-35).

    Each is labelled with its start time, so the task resumes after a kill of the agent.
    """
    settings: CommandSettings = context.settings
    life = settings.containers.container_timeout_seconds
    reading = yield from do(GetClocks())
    try:
        own = yield from list_own(context)
    except EngineUnavailableError:
        return TaskResult()
    dead = [each for each in own if _has_exited(each) or _never_started(each, reading)]
    live = [each for each in own if each not in dead]
    expired = [each for each in live if _deadline(each, life).is_over(_age(each, reading))]
    live = [each for each in live if each not in expired]
    problems = dict((yield from stop(context, expired, "timeout")))
    problems |= yield from stop(context, dead, "ended")
    suspended = [each for each in live if _deadline(each, life).has_ended(_age(each, reading))]
    problems |= yield from _suspend(settings, live, suspended)
    removed = tuple(each.id for each in (*expired, *dead) if each.id not in problems)
    changes = (_deadline(each, life).next_change_seconds(_age(each, reading)) for each in live)
    next_run = min([RECHECK_SECONDS, *changes])
    return TaskResult(removed, problems, max(1, ceil(next_run)))


def _suspend(
    settings: CommandSettings, live: Sequence[Container], suspended: Sequence[Container]
) -> Effects[Mapping[str, str]]:
    """Pause what is suspended, and resume what was paused for that reason and is not any more."""
    socket = settings.containers.docker_socket
    to_pause = [each.id for each in suspended if each.state == "running"]
    for container_id in to_pause:
        yield from do(PutRecord(SUSPENDED, container_id, {}))
    problems = dict((yield from do(PauseContainers(socket, tuple(to_pause), paused=True)))) if to_pause else {}
    paused = [each.id for each in live if each.state == PAUSED and each not in suspended]
    records = (yield from do(ListRecords(SUSPENDED))) if paused else {}
    to_resume = [container_id for container_id in paused if container_id in records]
    if to_resume:
        problems |= yield from do(PauseContainers(socket, tuple(to_resume), paused=False))
    for container_id in to_resume:
        if container_id not in problems:
            yield from do(DeleteRecord(SUSPENDED, container_id))
    changes = [(each, "container.suspended") for each in to_pause] + [(each, "container.resumed") for each in to_resume]
    for container_id, event in changes:
        if container_id not in problems:
            yield from do(EmitEvent(event, {"container_id": container_id}))
    return problems


def _deadline(container: Container, life: float) -> Deadline:
    """Return when a lifetime ends, by the wall clock and by the time since the start."""
    return Deadline(started(container) + life, life)


def _age(container: Container, reading: ClockReading) -> Moment:
    """Return the wall clock, and for how long the container has certainly existed.

    No container goes on over a reboot. One that somebody has started again afterwards is at most as old as the boot.
    """
    boottime, _, boot_id = container.labels.get(BOOT, "").partition(" ")
    since = int(boottime) if boottime.isascii() and boottime.isdigit() and boot_id == reading.boot_id else 0
    return Moment(reading.wall, reading.boottime - since)


def list_own(context: VerbContext) -> Effects[tuple[Container, ...]]:
    """List this agent's containers."""
    socket = context.settings.containers.docker_socket
    return (yield from do(ListContainers(socket, f"{AGENT}={context.agent_id}")))


def stop_of_user(context: VerbContext, username: str) -> Effects[int | None]:
    """Stop a user's containers and return how many there were; None if there is no engine.

    Raises:
        CommandError: EXEC_FAILED if one could not be removed.
    """
    try:
        own = yield from list_own(context)
    except EngineUnavailableError:
        return None
    theirs = [container for container in own if container.labels.get(USER) == username]
    if problems := (yield from stop(context, theirs, "deleted")):
        raise failed("; ".join(f"container {name[:12]}: {problem}" for name, problem in problems.items()))
    return len(theirs)


def stop(context: VerbContext, containers: Sequence[Container], reason: str) -> Effects[Mapping[str, str]]:
    """Stop and remove containers, emit an event for each, and return why one could not be removed, by id."""
    settings: CommandSettings = context.settings
    if not containers:
        return {}
    ids = tuple(container.id for container in containers)
    problems = yield from do(StopContainers(settings.containers.docker_socket, ids, settings.sandbox.grace_seconds))
    for container in containers:
        if container.id not in problems:
            owner = {"username": container.labels.get(USER), "session_id": container.labels.get(SESSION)}
            yield from do(EmitEvent("container.stopped", {"container_id": container.id, **owner, "reason": reason}))
    return problems


def container_members(container: Container, now: float) -> dict[str, object]:
    """Return a container as the verbs' answers describe it."""
    return {
        "container_id": container.id,
        "image": container.image,
        "username": container.labels.get(USER),
        "session_id": container.labels.get(SESSION),
        "state": container.state,
        "age_seconds": max(0, int(now - started(container))),
    }


def started(container: Container) -> int:
    """Return the start time by its label; by the engine if somebody else created it with a wrong label."""
    label = container.labels.get(STARTED, "")
    return int(label) if label.isascii() and label.isdigit() else container.created


def lock_path(settings: CommandSettings) -> str:
    """Return the lock that a command holds while it changes the number of containers."""
    return f"{settings.runner}/containers.lock"


def failed(problem: str) -> CommandError:
    """Return the error of an operation that was tried and failed."""
    return CommandError(Code.EXEC_FAILED, problem, Status.ERROR)


def _make_spec(args: Mapping[str, Any], context: VerbContext) -> Effects[ContainerSpec]:
    """Check every argument before the engine is asked."""
    table: ContainerSettings = context.settings.containers
    name = args.get("image", table.base_image)
    if name not in (table.base_image, *table.images):
        problem = f"image {name} is not allowed ([containers] base_image, images)"
        raise CommandError(Code.POLICY_DENIED, problem)
    memory = _check_limit("mem_mb", args.get("mem_mb", table.memory_limit_mb), "max_memory", table.max_memory_mb)
    cpus = _check_limit("cpu", args.get("cpu", table.cpu_limit), "max_cpu", table.max_cpu)
    network = _network(args, table)
    image = yield from do(InspectImage(table.docker_socket, name))
    if image is None:
        raise failed(f"image {name} is not on this host; images are never pulled, so load it first")
    random = (yield from do(GetRandomBytes(NAME_BYTES))).hex()
    reading = yield from do(GetClocks())
    labels = {
        AGENT: context.agent_id,
        SESSION: args["session_id"],
        USER: args["username"],
        STARTED: str(int(reading.wall)),
        BOOT: f"{floor(reading.boottime - reading.wall % 1)} {reading.boot_id}",  # at the second that STARTED names
    }
    writable = (SCRATCH, *image.volumes)
    return ContainerSpec(f"viw-{random}", name, labels, network, int(memory) << 20, cpus, table.pids_limit, writable)


def _network(args: Mapping[str, Any], table: ContainerSettings) -> str:
    network = table.egress_network if args.get("egress_profile") == "strict" else table.network
    if problem := engine_network_problem(network):
        raise CommandError(Code.POLICY_DENIED, f"{problem}; set another one in [containers]")
    return network


def _check_limit(name: str, value: float, limit_name: str, limit: float) -> float:
    if value > limit:
        raise CommandError(Code.POLICY_DENIED, f"{name}: {value:g} exceeds {limit:g} ([containers] {limit_name})")
    return value


def _has_exited(container: Container) -> bool:
    return container.state in STOPPED


def _never_started(container: Container, reading: ClockReading) -> bool:
    """Return whether the process that created it was killed before starting it."""
    deadline = _deadline(container, NEVER_STARTED_SECONDS)
    return container.state == "created" and deadline.is_over(_age(container, reading))


VERBS = (
    Verb(
        "spawn_container",
        "start a confined container for a user's session",
        (
            Schema(
                {"username": USERNAME, "session_id": SESSION_ID},
                {"image": IMAGE, "cpu": CPU, "mem_mb": MEMORY, "egress_profile": EGRESS},
            ),
        ),
        privileged=spawn_container,
    ),
    Verb(
        "stop_container",
        "stop and remove a container of this agent",
        (Schema({"container_id": CONTAINER_ID}),),
        privileged=stop_container,
    ),
    Verb(
        "list_containers",
        "list this agent's containers",
        (Schema(),),
        read_only=True,
        privileged=list_containers,
    ),
)
