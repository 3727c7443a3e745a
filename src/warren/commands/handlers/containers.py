"""Performs the effects on containers, over the engine's Unix socket: Docker's API, served by Docker or Podman.

Each effect opens its own connection, so a restart of the engine does no harm. Images are never pulled. aiodocker is
imported with the first effect: it takes 27 MB, which a host without an engine saves.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from warren.commands.effects.containers import (
    Container,
    ContainerSpec,
    EngineUnavailableError,
    Image,
    InspectImage,
    ListContainers,
    PauseContainers,
    StartContainer,
    StopContainers,
)
from warren.commands.effects.effect import EffectError
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.container_spec import encode_spec
from warren.commands.handlers.resources import Resources

if TYPE_CHECKING:
    import aiodocker

TIMEOUT_SECONDS = 30  # an answer takes milliseconds, a start less than a second; a busy disk takes longer
MAX_PARALLEL_STOPS = 10  # each may take its whole grace period
NOT_FOUND, CONFLICT = 404, 409
REASONS = {
    errno.EACCES: "permission denied",
    errno.ECONNREFUSED: "connection refused; is the engine running?",
}


def handlers(_: Resources | None = None) -> Handlers:
    """Return the handlers."""
    return {
        ListContainers: list_containers,
        InspectImage: inspect_image,
        StartContainer: start_container,
        StopContainers: stop_containers,
        PauseContainers: pause_containers,
    }


async def list_containers(effect: ListContainers, _: Execution) -> tuple[Container, ...]:
    """List containers by label.

    Raises:
        EffectError: the engine refused; EngineUnavailableError if there is no socket.
    """
    async with _connect(effect.socket) as docker:
        containers = await docker.containers.list(all=True, filters={"label": [effect.label]})
        return tuple(_parse_container(container._container) for container in containers)


async def inspect_image(effect: InspectImage, _: Execution) -> Image | None:
    """Inspect an image.

    Raises:
        EffectError: the engine refused.
    """
    async with _connect(effect.socket) as docker:
        try:
            image: Mapping[str, Any] = await docker.images.inspect(effect.name)
        except _docker_error() as error:
            if error.status == NOT_FOUND:
                return None
            raise
    return Image(tuple(sorted((image.get("Config") or {}).get("Volumes") or {})))


async def start_container(effect: StartContainer, _: Execution) -> str:
    """Create and start a container; on failure and on cancellation, remove it first.

    Raises:
        EffectError: the engine refused.
    """
    body, container_id = encode_spec(effect.spec), None
    async with _connect(effect.socket) as docker:
        try:
            container = await docker.containers.create(cast("Any", body), name=effect.spec.name)
            container_id = container.id
            await container.start()
        except BaseException:
            with suppress(TimeoutError, OSError, _docker_error()):
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await _remove_unstarted(docker, effect.spec, container_id)
            raise
    return container_id


async def _remove_unstarted(docker: aiodocker.Docker, spec: ContainerSpec, container_id: str | None) -> None:
    """Remove what a failed start has created, by its id; a container of another owner may have the same name.

    Without an id, the engine refused to create it, or its answer was lost and it may have been created nevertheless:
    then the name and every label have to be those of this call, whose name is random.
    """
    ids = [container_id] if container_id else [id_ async for id_ in _ids_created_for(docker, spec)]
    for id_ in ids:
        await docker.containers.container(id_).delete(force=True, v=True)


async def _ids_created_for(docker: aiodocker.Docker, spec: ContainerSpec) -> AsyncIterator[str]:
    for container in await docker.containers.list(all=True, filters={"name": [f"^/{spec.name}$"]}):
        members: Mapping[str, Any] = container._container
        created = _parse_container(members)
        if f"/{spec.name}" in members["Names"] and spec.labels.items() <= created.labels.items():
            yield created.id


async def stop_containers(effect: StopContainers, _: Execution) -> Mapping[str, str]:
    """Stop and remove containers; return the reason for each that failed, by id."""
    slots = asyncio.Semaphore(MAX_PARALLEL_STOPS)

    async def stop(container_id: str) -> str | None:
        try:
            async with slots, _connect(effect.socket, effect.grace_seconds) as docker:
                await _stop(docker, container_id, effect.grace_seconds)
        except EffectError as error:
            return str(error)
        return None

    problems = await asyncio.gather(*(stop(container_id) for container_id in effect.ids))
    return {container_id: problem for container_id, problem in zip(effect.ids, problems, strict=True) if problem}


async def pause_containers(effect: PauseContainers, _: Execution) -> Mapping[str, str]:
    """Pause containers or resume them; return the reason for each that failed, by id."""
    problems: dict[str, str] = {}
    for container_id in effect.ids:
        try:
            async with _connect(effect.socket) as docker:
                container = docker.containers.container(container_id)
                await (container.pause() if effect.paused else container.unpause())
        except EffectError as error:
            problems[container_id] = str(error)
    return problems


async def _stop(docker: aiodocker.Docker, container_id: str, grace_seconds: int) -> None:
    container = docker.containers.container(container_id)
    # A container that does not stop in time is killed by its removal.
    with suppress(_docker_error()):
        await container.stop(t=grace_seconds)
    try:
        await container.delete(force=True, v=True)
    except _docker_error() as error:
        if error.status != NOT_FOUND and not (error.status == CONFLICT and "in progress" in error.message):
            raise


@asynccontextmanager
async def _connect(path: str, more_seconds: float = 0) -> AsyncIterator[aiodocker.Docker]:
    """Connect to the engine; whatever fails in the block is raised as an EffectError that names the socket."""
    if not await asyncio.to_thread(_exists, path):
        raise EngineUnavailableError(f"{path}: no such socket; is a container engine installed and running?")
    client = await asyncio.to_thread(importlib.import_module, "aiodocker")
    http = importlib.import_module("aiohttp")
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS + more_seconds), client.Docker(url=f"unix://{path}") as docker:
            yield docker
    except TimeoutError as error:
        problem = f"{path}: no answer from the engine within {TIMEOUT_SECONDS + more_seconds:g} s"
        raise EffectError(problem) from error
    except client.DockerError as error:
        raise EffectError(f"{path}: {_reason(error)}") from error
    except (OSError, ValueError, KeyError, http.ClientError) as error:
        raise EffectError(f"{path}: unexpected response from the engine: {error!r}") from error


def _exists(path: str) -> bool:
    """Return True also if this process may not look: then the connection fails with the reason."""
    try:
        return Path(path).exists()
    except OSError:
        return True


def _docker_error() -> type[aiodocker.DockerError]:
    return importlib.import_module("aiodocker").DockerError  # type: ignore[no-any-return]


def _reason(error: aiodocker.DockerError) -> str:
    """Return the system's error if the engine could not be reached, else the engine's message."""
    cause = getattr(error.__context__, "os_error", None)
    if isinstance(cause, OSError):
        return REASONS.get(cause.errno or 0, cause.strerror or str(cause))
    return f"the engine refused: {error.message}"


def _parse_container(members: Mapping[str, Any]) -> Container:
    """Parse an element of `GET /containers/json`."""
    return Container(
        id=str(members["Id"]),
        image=str(members["Image"]),
        state=str(members["State"]),
        created=int(members["Created"]),
        labels={str(name): str(value) for name, value in (members.get("Labels") or {}).items()},
    )
