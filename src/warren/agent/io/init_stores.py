"""The records of single use of a node that has none yet: begun with its identity, before its agent first starts.

A record refuses what was issued in its first minute (V-39), and nothing can have run before it began: so the sooner it
begins, the sooner a new node takes commands. What is there is never opened: only a directory that this process itself
has made is filled, while nobody else can look into it.
"""

from __future__ import annotations

from pathlib import Path

from warren.commands.store.database import open_database
from warren.errors import HostError
from warren.files.atomic import move_file
from warren.privsep.io.privileges import OWN, Service, is_root, make_roots_own, own_directory


def init_stores(commands: Path, runner: Path, service: Service, now: float) -> None:
    """The agent's in `commands`, and in `runner` root's own where the agent is not to stay root. Raises HostError."""
    try:
        if is_root():
            _begin_as_root(commands, runner, service, now)
        elif not commands.exists():
            open_database(commands, now).connection.close()
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}", code="host.refused", errno=error.errno) from error


def _begin_as_root(commands: Path, runner: Path, service: Service, now: float) -> None:
    if not commands.exists():
        unfinished = make_roots_own(commands.with_name(f".{commands.name}.unfinished"))
        open_database(unfinished, now).connection.close()
        own_directory(unfinished, service.uid, service.gid, OWN)
        move_file(unfinished, commands.name)
    if service.uid != 0 and not runner.exists():
        open_database(make_roots_own(runner), now).connection.close()
