"""Performs the effects on files, on time and on chance."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from warren.clock import wall_seconds
from warren.commands.effects.effect import (
    EffectError,
    ListDirectory,
    Now,
    RandomBytes,
    ReadFile,
    RemoveFile,
    WriteFile,
)
from warren.commands.pipeline.executor import Execution, Handlers

T = TypeVar("T")
READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def file_handlers() -> Handlers:
    """In threads, as a disk may be slow."""
    return {
        ReadFile: lambda effect, _: _in_thread(effect.path, lambda: read(effect)),
        WriteFile: lambda effect, _: _in_thread(effect.path, lambda: write(effect)),
        RemoveFile: lambda effect, _: _in_thread(effect.path, lambda: remove(effect)),
        ListDirectory: lambda effect, _: _in_thread(effect.path, lambda: names(effect)),
        RandomBytes: _random,
        Now: _now,
    }


async def _in_thread(path: str, work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise EffectError(f"{path}: {error.strerror}") from error


async def _random(effect: RandomBytes, _: Execution) -> bytes:
    return secrets.token_bytes(effect.count)


async def _now(_: Now, __: Execution) -> float:
    return wall_seconds()


def read(effect: ReadFile) -> bytes | None:
    """Follows no link at the end of the path. Raises OSError, EffectError for what is longer than it may be."""
    try:
        with open(os.open(effect.path, READ_FLAGS), "rb") as file:  # noqa: PTH123, from a descriptor
            octets = file.read(effect.max_bytes + 1)
    except FileNotFoundError:
        return None
    if len(octets) > effect.max_bytes:
        raise EffectError(f"{effect.path} has more than {effect.max_bytes} octets")
    return octets


def write(effect: WriteFile) -> None:
    """Whole, and on the disk when it returns. Raises OSError."""
    path = Path(effect.path)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    before = _status(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123, from a descriptor
            _keep(descriptor, before, effect.mode)
            file.write(effect.content.open())
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    _sync(path.parent)


def remove(effect: RemoveFile) -> bool:
    """Raises OSError."""
    path = Path(effect.path)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _sync(path.parent)
    return True


def names(effect: ListDirectory) -> tuple[str, ...]:
    """Raises OSError."""
    try:
        return tuple(sorted(each.name for each in Path(effect.path).iterdir()))
    except FileNotFoundError:
        return ()


def _status(path: Path) -> os.stat_result | None:
    with suppress(FileNotFoundError):
        return path.lstat()
    return None


def _keep(descriptor: int, before: os.stat_result | None, mode: int) -> None:
    """Owner, group and mode of the file that was there."""
    if sys.platform != "win32":
        if before is not None and stat.S_ISREG(before.st_mode):
            os.fchown(descriptor, before.st_uid, before.st_gid)
            mode = stat.S_IMODE(before.st_mode)
        os.fchmod(descriptor, mode)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
