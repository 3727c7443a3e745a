"""Performs the effects on containers, over the engine's Unix socket: Docker's API, by Docker or by Podman.

Each effect is a connection of its own, so an engine that was started anew is no trouble. Nothing is ever fetched from
a registry. aiodocker is imported when the first container is asked for: 27 MB that a host without an engine is spared.
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
    EndContainers,
    EngineAbsentError,
    FindImage,
    Image,
    ListContainers,
    StartContainer,
)
from warren.commands.effects.effect import EffectError
from warren.commands.pipeline.executor import Execution, Handlers
from warren.commands.providers.container_spec import encode_specification

if TYPE_CHECKING:
    import aiodocker

ANSWER_SECONDS = 30  # it answers in milliseconds, and starts a container in less than one; a busy disk takes longer
AT_ONCE = 10  # containers that end together: each may use up its grace
ABSENT, BUSY = 404, 409
REASONS = {
    errno.EACCES: "this process may not open it",
    errno.ECONNREFUSED: "nothing listens there; is the engine running?",
}


def container_handlers() -> Handlers:
    """Of all effects on containers."""
    return {ListContainers: list_containers, FindImage: find_image, StartContainer: start, EndContainers: end}


async def list_containers(effect: ListContainers, _: Execution) -> tuple[Container, ...]:
    """Raises EffectError, EngineAbsentError where there is no socket."""
    async with _asked(effect.socket) as docker:
        found = await docker.containers.list(all=True, filters={"label": [effect.label]})
        return tuple(_container(each._container) for each in found)


async def find_image(effect: FindImage, _: Execution) -> Image | None:
    """Raises EffectError."""
    async with _asked(effect.socket) as docker:
        try:
            found: Mapping[str, Any] = await docker.images.inspect(effect.name)
        except _docker_error() as error:
            if error.status == ABSENT:
                return None
            raise
    return Image(tuple(sorted((found.get("Config") or {}).get("Volumes") or {})))


async def start(effect: StartContainer, _: Execution) -> str:
    """Raises EffectError. Cancelled, or refused by the engine, it removes what it has made first."""
    body, name = encode_specification(effect.specification), effect.specification.name
    async with _asked(effect.socket) as docker:
        container = docker.containers.container(name)
        try:
            container = await docker.containers.create(cast("Any", body), name=name)
            await container.start()
        except BaseException:
            with suppress(TimeoutError, OSError, _docker_error()):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await container.delete(force=True, v=True)
            raise
    return container.id


async def end(effect: EndContainers, _: Execution) -> Mapping[str, str]:
    """By id, why not."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def ended(container_id: str) -> str | None:
        try:
            async with turns, _asked(effect.socket, effect.grace_seconds) as docker:
                await _end(docker, container_id, effect.grace_seconds)
        except EffectError as error:
            return str(error)
        return None

    outcomes = await asyncio.gather(*(ended(each) for each in effect.ids))
    return {each: problem for each, problem in zip(effect.ids, outcomes, strict=True) if problem}


async def _end(docker: aiodocker.Docker, container_id: str, grace_seconds: int) -> None:
    container = docker.containers.container(container_id)
    # What does not stop by asking is killed by its removal.
    with suppress(_docker_error()):
        await container.stop(t=grace_seconds)
    try:
        await container.delete(force=True, v=True)
    except _docker_error() as error:
        if error.status != ABSENT and not (error.status == BUSY and "in progress" in error.message):
            raise


@asynccontextmanager
async def _asked(path: str, more_seconds: float = 0) -> AsyncIterator[aiodocker.Docker]:
    """The engine. What goes wrong with it meanwhile is an EffectError that names the socket."""
    if not await asyncio.to_thread(_is_there, path):
        raise EngineAbsentError(f"{path}: there is no such socket; is a container engine installed and running?")
    client = await asyncio.to_thread(importlib.import_module, "aiodocker")
    http = importlib.import_module("aiohttp")
    try:
        async with asyncio.timeout(ANSWER_SECONDS + more_seconds), client.Docker(url=f"unix://{path}") as docker:
            yield docker
    except TimeoutError as error:
        problem = f"{path}: the engine did not answer in {ANSWER_SECONDS + more_seconds:g} seconds"
        raise EffectError(problem) from error
    except client.DockerError as error:
        raise EffectError(f"{path}: {_reason(error)}") from error
    except (OSError, ValueError, KeyError, http.ClientError) as error:
        raise EffectError(f"{path}: the engine did not answer as it should: {error!r}") from error


def _is_there(path: str) -> bool:
    """Also what this process may not look at: who connects is told so."""
    try:
        return Path(path).exists()
    except OSError:
        return True


def _docker_error() -> type[aiodocker.DockerError]:
    return importlib.import_module("aiodocker").DockerError  # type: ignore[no-any-return]


def _reason(error: aiodocker.DockerError) -> str:
    """In the words of the system where it could not be reached, in the engine's else."""
    cause = getattr(error.__context__, "os_error", None)
    if isinstance(cause, OSError):
        return REASONS.get(cause.errno or 0, cause.strerror or str(cause))
    return f"the engine refused: {error.message}"


def _container(found: Mapping[str, Any]) -> Container:
    """As `GET /containers/json` has it."""
    return Container(
        id=str(found["Id"]),
        image=str(found["Image"]),
        state=str(found["State"]),
        created=int(found["Created"]),
        labels={str(name): str(value) for name, value in (found.get("Labels") or {}).items()},
    )
