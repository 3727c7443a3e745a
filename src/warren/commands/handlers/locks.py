"""Performs Hold: a lock on a file, which ends with the command that took it, or with its process (flock(2))."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from warren.commands.effects.effect import EffectError, LockFile
from warren.commands.pipeline.executor import Execution, Handlers

if sys.platform != "win32":
    import fcntl

AGAIN_SECONDS = 0.01  # between two attempts: a wait in the kernel could not be cancelled


def lock_handlers() -> Handlers:
    """Waits for as long as the command may take."""
    return {LockFile: hold}


async def hold(effect: LockFile, running: Execution) -> None:
    """Raises EffectError where the file cannot be had. Another process that holds it is waited for too."""
    try:
        descriptor = _open(effect.path)
    except OSError as error:
        raise EffectError(f"{effect.path}: {error.strerror}") from error
    running.ends.callback(os.close, descriptor)
    while not _taken(descriptor):  # noqa: ASYNC110, who lets go may be another process
        await asyncio.sleep(AGAIN_SECONDS)


def _open(path: str) -> int:
    Path(path).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _taken(descriptor: int) -> bool:
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
