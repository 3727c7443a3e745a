"""Containers of sessions: started confined, counted, and ended when their time is up (G-33 to G-37, V-52, V-53).

A container is this agent's by its labels, which the engine keeps: so an agent that was started anew knows them all, and
one without the label of this agent is nobody's whom a command could end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from warren.commands.effects.containers import (
    Container,
    EndContainers,
    EngineAbsentError,
    FindImage,
    ListContainers,
    Specification,
    StartContainer,
)
from warren.commands.effects.effect import Effects, Emit, LockFile, Now, RandomBytes, do
from warren.commands.periodic import LOOK_AGAIN_SECONDS, TaskResult
from warren.commands.providers.arguments import SESSION_ID, USERNAME
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Choice, Number, Schema, Text
from warren.commands.settings import CommandSettings, ContainerSettings
from warren.commands.verbs import Data, Verb, VerbContext

AGENT, SESSION, USER, STARTED = "viw.agent", "viw.session", "viw.user", "viw.started"
ENDED = ("exited", "dead")
NEVER_STARTED_SECONDS = 300  # longer than any command may take to start what it has made
TRY_AGAIN_SECONDS = 5  # where the engine did not do as it was told: it may be starting
SCRATCH = "/tmp"  # noqa: S108, in the container
NAME_BYTES = 8
HOST_NETWORK = "host"

CONTAINER_ID = Text("[0-9a-f]{12}|[0-9a-f]{64}", "12 or 64 digits of a container's id, in lower case")
# Docker's reference grammar in outline: no blank, no two dots in a row, so nothing that climbs a path.
IMAGE = Text(
    "(?=.{1,255}$)[A-Za-z0-9]+(?:(?:[.:/]|_{1,2}|-{1,8})[A-Za-z0-9]+)*(?:@sha256:[0-9a-f]{64})?",
    "the name of an image, as viworks/chrome:latest",
)
CPU = Number(0.5, 4, whole=False, unit="processors")
MEMORY = Number(256, 8192, unit="MB")
EGRESS = Choice(("default", "strict"))


def spawn_container(args: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """`{container_id}`.

    Raises CommandError POLICY_DENIED for an image or an amount that the configuration does not allow, EXEC_FAILED where
    the image is not on this host or there are as many containers as there may be, also where many ask at once.
    """
    settings: CommandSettings = occasion.settings
    specification = yield from _specification(args, occasion)
    yield from do(LockFile(lock_of(settings)))
    own = yield from list_own(occasion)
    limit = settings.containers.max_containers
    if sum(each.state not in ENDED for each in own) >= limit:
        raise failed(f"there are {limit} containers, and max_containers of [containers] allows no more")
    container_id = yield from do(StartContainer(settings.containers.docker_socket, specification))
    fields = {"container_id": container_id, "image": specification.image, "username": args["username"]}
    yield from do(Emit("container.started", {**fields, "session_id": args["session_id"]}))
    return {"container_id": container_id}


def stop_container(args: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """`{container_stopped}`. Raises CommandError EXEC_FAILED for one that is not this agent's."""
    wanted = args["container_id"]
    found = [each for each in (yield from list_own(occasion)) if each.id.startswith(wanted)]
    if len(found) != 1:
        raise failed(f"this agent has no container {wanted}")
    if problems := (yield from end(occasion, found, "stopped")):
        raise failed(f"container {wanted}: {problems[found[0].id]}")
    return {"container_stopped": True}


def list_containers(_: Mapping[str, Any], occasion: VerbContext) -> Effects[Data]:
    """`{containers}`: this agent's, also those that have ended and are not removed yet."""
    now = yield from do(Now())
    own = yield from list_own(occasion)
    return {"containers": [told(each, now) for each in own]}


def reap_containers(occasion: VerbContext) -> Effects[TaskResult]:
    """Ends containers whose time is up, and removes what is left of those that ended by themselves (G-35).

    Each bears the time of its start, so it goes on where a killed agent stopped.
    """
    settings: CommandSettings = occasion.settings
    life = settings.containers.container_timeout_seconds
    now = yield from do(Now())
    try:
        own = yield from list_own(occasion)
    except EngineAbsentError:
        return TaskResult()
    over = [each for each in own if not _is_left(each) and now - started(each) >= life]
    left = [each for each in own if _is_left(each) or _never_started(each, now)]
    left = [each for each in left if each not in over]
    problems = dict((yield from end(occasion, over, "timeout")))
    problems |= yield from end(occasion, left, "ended")
    ids = tuple(each.id for each in (*over, *left) if each.id not in problems)
    ends = [started(each) + life - now for each in own if each not in over and each not in left]
    again = min([LOOK_AGAIN_SECONDS, *ends, *([TRY_AGAIN_SECONDS] if problems else [])])
    return TaskResult(ids, problems, max(1, again))


def list_own(occasion: VerbContext) -> Effects[tuple[Container, ...]]:
    """This agent's containers."""
    socket = occasion.settings.containers.docker_socket
    return (yield from do(ListContainers(socket, f"{AGENT}={occasion.agent_id}")))


def end_of_user(occasion: VerbContext, username: str) -> Effects[int | None]:
    """How many containers of a user there were; None where there is no engine. Raises CommandError EXEC_FAILED."""
    try:
        own = yield from list_own(occasion)
    except EngineAbsentError:
        return None
    theirs = [each for each in own if each.labels.get(USER) == username]
    if problems := (yield from end(occasion, theirs, "deleted")):
        raise failed("; ".join(f"container {each[:12]}: {problem}" for each, problem in problems.items()))
    return len(theirs)


def end(occasion: VerbContext, containers: Iterable[Container], reason: str) -> Effects[Mapping[str, str]]:
    """By id, why one could not be ended; of each that was, an event tells."""
    settings: CommandSettings = occasion.settings
    them = tuple(containers)
    if not them:
        return {}
    ids = tuple(each.id for each in them)
    problems = yield from do(EndContainers(settings.containers.docker_socket, ids, settings.sandbox.grace_seconds))
    for each in them:
        if each.id not in problems:
            about = {"username": each.labels.get(USER), "session_id": each.labels.get(SESSION)}
            yield from do(Emit("container.stopped", {"container_id": each.id, **about, "reason": reason}))
    return problems


def told(container: Container, now: float) -> dict[str, object]:
    """As operators read it."""
    return {
        "container_id": container.id,
        "image": container.image,
        "username": container.labels.get(USER),
        "session_id": container.labels.get(SESSION),
        "state": container.state,
        "age_seconds": max(0, int(now - started(container))),
    }


def started(container: Container) -> int:
    """By its label, or by the engine where somebody else has made it like one of ours."""
    label = container.labels.get(STARTED, "")
    return int(label) if label.isascii() and label.isdigit() else container.created


def lock_of(settings: CommandSettings) -> str:
    """Who changes how many there are holds this file."""
    return f"{settings.runner}/containers.lock"


def failed(problem: str) -> CommandError:
    """It was tried, and cannot be done."""
    return CommandError(Code.EXEC_FAILED, problem, Status.ERROR)


def _specification(args: Mapping[str, Any], occasion: VerbContext) -> Effects[Specification]:
    """All that is asked for is judged before anything is asked of the engine."""
    table: ContainerSettings = occasion.settings.containers
    name = args.get("image", table.base_image)
    if name not in (table.base_image, *table.images):
        problem = f"image {name} is neither base_image nor one of images of [containers]"
        raise CommandError(Code.POLICY_DENIED, problem)
    memory = _within("mem_mb", args.get("mem_mb", table.memory_limit_mb), "max_memory", table.max_memory_mb)
    cpus = _within("cpu", args.get("cpu", table.cpu_limit), "max_cpu", table.max_cpu)
    network = _network(args, table)
    image = yield from do(FindImage(table.docker_socket, name))
    if image is None:
        raise failed(f"image {name} is not on this host, and nothing fetches it; load it first")
    random = (yield from do(RandomBytes(NAME_BYTES))).hex()
    now = yield from do(Now())
    labels = {
        AGENT: occasion.agent_id,
        SESSION: args["session_id"],
        USER: args["username"],
        STARTED: str(int(now)),
    }
    writable = (SCRATCH, *image.volumes)
    return Specification(f"viw-{random}", name, labels, network, int(memory) << 20, cpus, table.pids_limit, writable)


def _network(args: Mapping[str, Any], table: ContainerSettings) -> str:
    network = table.egress_network if args.get("egress_profile") == "strict" else table.network
    if network == HOST_NETWORK:
        problem = "a container in the host's own network is not confined; name another one in [containers]"
        raise CommandError(Code.POLICY_DENIED, problem)
    return network


def _within(name: str, value: float, limit_name: str, limit: float) -> float:
    if value > limit:
        raise CommandError(Code.POLICY_DENIED, f"{name}: expected at most {limit:g}, {limit_name} of [containers]")
    return value


def _is_left(container: Container) -> bool:
    return container.state in ENDED


def _never_started(container: Container, now: float) -> bool:
    """Its maker was killed between two requests."""
    return container.state == "created" and now - started(container) >= NEVER_STARTED_SECONDS


VERBS = (
    Verb(
        "spawn_container",
        "starts a confined container for a user's session",
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
        "ends a container of this agent and removes it",
        (Schema({"container_id": CONTAINER_ID}),),
        privileged=stop_container,
    ),
    Verb(
        "list_containers",
        "names this agent's containers, as the engine has them now",
        (Schema(),),
        read_only=True,
        privileged=list_containers,
    ),
)
