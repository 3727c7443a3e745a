"""Perform the effects on files, in threads, as a disk may be slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from warren.commands.effects.effect import EffectError
from warren.commands.effects.files import ListDirectory, ReadFile, RemoveFile, WriteFile
from warren.commands.execution import Handlers
from warren.commands.handlers.resources import Resources
from warren.files.atomic import remove_file, update_file
from warren.files.bounded_read import read_bounded
from warren.files.make_directory import make_directory
from warren.files.trusted_path import UntrustedPathError, process_trust, proven_directory

T = TypeVar("T")
DIRECTORY_MODE = 0o750


def handlers(_: Resources | None = None) -> Handlers:
    """Return the handlers."""
    return {
        ReadFile: lambda effect, _: _in_thread(effect.path, lambda: read(effect)),
        WriteFile: lambda effect, _: _in_thread(effect.path, lambda: write(effect)),
        RemoveFile: lambda effect, _: _in_thread(
            effect.path, lambda: remove_file(Path(effect.path), trust=process_trust())
        ),
        ListDirectory: lambda effect, _: _in_thread(effect.path, lambda: names(effect)),
    }


def read(effect: ReadFile) -> bytes | None:
    """Read a file that is no link; None if there is none. Raises OSError, and EffectError for one that is too long."""
    try:
        octets, _ = read_bounded(Path(effect.path), effect.max_bytes + 1, trust=process_trust())
    except FileNotFoundError:
        return None
    if len(octets) > effect.max_bytes:
        raise EffectError(f"{effect.path} has more than {effect.max_bytes} octets")
    return octets


def write(effect: WriteFile) -> None:
    """Replace a file, and keep its owner and mode; on the disk when this returns. Raises OSError."""
    path = Path(effect.path)
    make_directory(path.parent, DIRECTORY_MODE, trust=process_trust())
    update_file(path, effect.content.open(), effect.mode, trust=process_trust())


def names(effect: ListDirectory) -> tuple[str, ...]:
    """Return the names in a directory, sorted; none if there is no such directory. Raises OSError."""
    try:
        with proven_directory(Path(effect.path), process_trust()) as directory:
            return directory.names()
    except FileNotFoundError:
        return ()


async def _in_thread(path: str, work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise EffectError(f"{path}: {error.strerror}") from error
    except UntrustedPathError as error:
        raise EffectError(f"{error}; {error.hint}") from error
