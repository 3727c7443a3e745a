"""Perform the effect LockFile: a lock on a file, which ends with its command or with its process (flock(2))."""

from __future__ import annotations

import asyncio
from pathlib import Path

from warren.commands.effects import effect as effects
from warren.commands.effects.effect import EffectError
from warren.commands.pipeline.executor import Execution, Handlers
from warren.files.directory import make_directory
from warren.files.lock_file import LockFile

DIRECTORY_MODE = 0o750
POLL_INTERVAL = 0.01  # seconds between two attempts: a wait in the kernel could not be cancelled


def lock_handlers() -> Handlers:
    """Return the handler of LockFile, which waits for as long as the command may take."""
    return {effects.LockFile: hold}


async def hold(effect: effects.LockFile, running: Execution) -> None:
    """Take the lock, after another process has released it. Raises EffectError if the file cannot be opened."""
    path = Path(effect.path)
    try:
        make_directory(path.parent, DIRECTORY_MODE)
        lock = running.ends.enter_context(LockFile.open(path))
    except OSError as error:
        raise EffectError(f"{effect.path}: {error.strerror}") from error
    while not lock.acquire():  # noqa: ASYNC110, who has the lock may be another process
        await asyncio.sleep(POLL_INTERVAL)
