"""Effects on containers, through the engine's socket: Docker's API, which Podman has as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect, EffectError


class EngineUnavailableError(EffectError):
    """There is no socket, so no container can be known either."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container that the engine knows, running or not."""

    id: str
    """64 digits."""
    image: str
    state: str
    """As the engine reports it: created, running, paused, restarting, removing, exited or dead."""
    created: int
    """Seconds since the Unix epoch."""
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is present on this host."""

    volumes: tuple[str, ...] = ()
    """The directories that it declares as volumes, by their paths inside."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """Everything in which two containers may differ; `handlers.container_spec` confines each in the same way."""

    name: str
    image: str
    labels: Mapping[str, str]
    network: str
    memory_bytes: int
    cpus: float
    pids_limit: int
    writable: tuple[str, ...]
    """Directories in memory; everything else is read-only."""


@dataclass(frozen=True, slots=True)
class ListContainers(Effect[tuple[Container, ...]]):
    """List the containers with a label, also stopped ones.

    Raises:
        EngineUnavailableError: there is no engine.
    """

    reads: ClassVar[bool] = True

    socket: str
    label: str
    """NAME=VALUE."""


@dataclass(frozen=True, slots=True)
class InspectImage(Effect["Image | None"]):
    """Inspect an image; None if it is not on this host: images are never pulled."""

    reads: ClassVar[bool] = True

    socket: str
    name: str


@dataclass(frozen=True, slots=True)
class StartContainer(Effect[str]):
    """Create and start a container and return its id; one that fails to start is removed."""

    socket: str
    spec: ContainerSpec

    def simulated(self) -> object:
        return "0" * 64


@dataclass(frozen=True, slots=True)
class StopContainers(Effect[Mapping[str, str]]):
    """Stop containers, kill them after the grace period, and remove them with everything they wrote.

    The outcome has, by id, the reason for each that could not be removed. One that is already gone counts as removed.
    """

    socket: str
    ids: tuple[str, ...]
    grace_seconds: int

    def simulated(self) -> object:
        return {}


@dataclass(frozen=True, slots=True)
class PauseContainers(Effect[Mapping[str, str]]):
    """Freeze the processes of containers, or let them go on; the outcome has, by id, the reason for each failure."""

    socket: str
    ids: tuple[str, ...]
    paused: bool

    def simulated(self) -> object:
        return {}
