"""Containers of sessions: started confined, counted, and stopped when they expire (G-33 to G-37, V-52, V-53).

The labels of a container, which the engine stores, name the agent that owns it. So an agent knows its containers after
a restart, and no command can stop a container without the label of this agent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from warren.commands.effects.containers import (
    Container,
    ContainerSpec,
    EngineUnavailableError,
    InspectImage,
    ListContainers,
    StartContainer,
    StopContainers,
)
from warren.commands.effects.effect import Effects, do
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.locks import LockFile
from warren.commands.effects.system import GetRandomBytes, GetTime
from warren.commands.providers.arguments import SESSION_ID, USERNAME
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Choice, Number, Schema, Text
from warren.commands.settings import CommandSettings, ContainerSettings, engine_network_problem
from warren.commands.verb import RECHECK_SECONDS, Data, TaskResult, Verb, VerbContext

AGENT, SESSION, USER, STARTED = "viw.agent", "viw.session", "viw.user", "viw.started"
STOPPED = ("exited", "dead")
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
    """Stop and remove containers that have expired, and remove those that have exited (G-35).

    Each is labelled with its start time, so the task resumes after a kill of the agent.
    """
    settings: CommandSettings = context.settings
    life = settings.containers.container_timeout_seconds
    now = yield from do(GetTime())
    try:
        own = yield from list_own(context)
    except EngineUnavailableError:
        return TaskResult()
    expired = [container for container in own if not _has_exited(container) and now - started(container) >= life]
    dead = [container for container in own if _has_exited(container) or _never_started(container, now)]
    dead = [container for container in dead if container not in expired]
    problems = dict((yield from stop(context, expired, "timeout")))
    problems |= yield from stop(context, dead, "ended")
    removed = tuple(container.id for container in (*expired, *dead) if container.id not in problems)
    live = (container for container in own if container not in expired and container not in dead)
    expiries = [started(container) + life - now for container in live]
    next_run = min([RECHECK_SECONDS, *expiries])
    return TaskResult(removed, problems, max(1, next_run))


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
    now = yield from do(GetTime())
    labels = {
        AGENT: context.agent_id,
        SESSION: args["session_id"],
        USER: args["username"],
        STARTED: str(int(now)),
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


def _never_started(container: Container, now: float) -> bool:
    """Return whether the process that created it was killed before starting it."""
    return container.state == "created" and now - started(container) >= NEVER_STARTED_SECONDS


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
