"""Begin the command stores of a node that has none yet, when its identity is made and before its agent first starts.

A store refuses what was issued in its first minute (V-39), and nothing can have run before it began: so the sooner it
begins, the sooner a new node takes commands. An existing store is never opened: only a directory that this process
itself has made is filled, while nobody else can enter it, and then takes the place of an empty one or of none.
"""

from __future__ import annotations

from pathlib import Path

from warren.commands.store.command_store import has_store, initialize_store
from warren.errors import HostError
from warren.files.atomic import move_file
from warren.files.trusted_path import ROOT_PATH_TRUST, process_trust, trusted_directory
from warren.privsep.io.service_directories import make_root_directory
from warren.privsep.io.service_user import ROOT, ServiceUser, is_root


def init_stores(commands: Path, runner: Path, user: ServiceUser, now: float) -> None:
    """Begin the agent's store in `commands`, and root's own in `runner` unless the agent stays root.

    Raises HostError.
    """
    try:
        if is_root():
            _init_as_root(commands, runner, user, now)
        elif not has_store(commands):
            initialize_store(commands, now)
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}", code="host.refused", errno=error.errno) from error


def _init_as_root(commands: Path, runner: Path, user: ServiceUser, now: float) -> None:
    if not has_store(commands):
        unfinished = make_root_directory(commands.with_name(f".{commands.name}.unfinished"))
        initialize_store(unfinished, now)
        _give(unfinished, user)
        move_file(unfinished, commands.name, trust=process_trust())
    if user.uid != ROOT and not has_store(make_root_directory(runner)):
        initialize_store(runner, now)


def _give(path: Path, user: ServiceUser) -> None:
    """Give a directory that this process has made and filled to a user."""
    with trusted_directory(path, ROOT_PATH_TRUST) as directory:
        for name in directory.names():
            directory.chown(name, user.uid, user.gid)
        directory.set_owner(user.uid, user.gid)
