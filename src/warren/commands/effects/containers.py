"""What is wanted of the container engine by its socket: Docker's API, which Podman has as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from warren.commands.effects.effect import Effect, EffectError


class EngineAbsentError(EffectError):
    """There is no socket, so there are no containers to be known of either."""


@dataclass(frozen=True, slots=True)
class Container:
    """One that the engine knows, whether it runs or not."""

    id: str
    """64 digits."""
    image: str
    state: str
    """The engine's word: created, running, paused, restarting, removing, exited or dead."""
    created: int
    """Seconds since the Unix epoch."""
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Image:
    """One that is on this host."""

    volumes: tuple[str, ...] = ()
    """Directories that it wants on the host's disk, by their paths inside."""


@dataclass(frozen=True, slots=True)
class Specification:
    """All that one container may differ in from another; what confines it is the same for each (`containerspec`)."""

    name: str
    image: str
    labels: Mapping[str, str]
    network: str
    memory_bytes: int
    cpus: float
    pids_limit: int
    writable: tuple[str, ...]
    """Directories in memory; everything else can only be read."""


@dataclass(frozen=True, slots=True)
class ListContainers(Effect[tuple[Container, ...]]):
    """Those with this label, also those that do not run. Raises EngineAbsentError where there is no engine."""

    reads: ClassVar[bool] = True

    socket: str
    label: str
    """NAME=VALUE."""


@dataclass(frozen=True, slots=True)
class FindImage(Effect["Image | None"]):
    """None where it is not on this host: nothing is ever fetched."""

    reads: ClassVar[bool] = True

    socket: str
    name: str


@dataclass(frozen=True, slots=True)
class StartContainer(Effect[str]):
    """Makes one and starts it; its id. One that could not be started is not left behind."""

    socket: str
    specification: Specification

    def pretended(self) -> object:
        return "0" * 64


@dataclass(frozen=True, slots=True)
class EndContainers(Effect[Mapping[str, str]]):
    """Asks these to end, ends them after the grace, and removes them with all they wrote.

    By id, why not: of those that could not be ended. One that is gone already is ended.
    """

    socket: str
    ids: tuple[str, ...]
    grace_seconds: int

    def pretended(self) -> object:
        return {}
