"""Perform the effect LockFile: a lock on a file, which ends with its command or with its process (flock(2))."""

from __future__ import annotations

import asyncio
from pathlib import Path

from warren.commands.effects import locks as effects
from warren.commands.effects.effect import EffectError
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.resources import Resources
from warren.files.lock_file import LockFile
from warren.files.make_directory import make_directory
from warren.files.trusted_path import UntrustedPathError, process_trust

DIRECTORY_MODE = 0o750
POLL_INTERVAL = 0.01  # seconds between two attempts: a wait in the kernel could not be cancelled


def handlers(_: Resources | None = None) -> Handlers:
    """Return the handler, which waits until the command's time limit."""
    return {effects.LockFile: lock}


async def lock(effect: effects.LockFile, execution: Execution) -> None:
    """Take the lock, after another process has released it. Raises EffectError if the file cannot be opened."""
    path = Path(effect.path)
    try:
        make_directory(path.parent, DIRECTORY_MODE, trust=process_trust())
        file = execution.cleanup.enter_context(LockFile.open(path, trust=process_trust()))
    except OSError as error:
        raise EffectError(f"{effect.path}: {error.strerror}") from error
    except UntrustedPathError as error:
        raise EffectError(f"{error}; {error.hint}") from error
    while not file.acquire():  # noqa: ASYNC110, another process may hold it
        await asyncio.sleep(POLL_INTERVAL)
