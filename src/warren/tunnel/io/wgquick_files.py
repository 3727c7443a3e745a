"""Creation of the files of an imported network: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from warren.errors import HostError
from warren.files.atomic import create_file, remove_file
from warren.files.key_file import write_preshared_key, write_private_key
from warren.files.trusted_path import NAMED_BY_USER
from warren.tunnel.wgquick_import import Imported

MODE = 0o640  # H-72


def write_files(imported: Imported, root: str, config: tuple[Path, str] | None = None) -> tuple[Path, ...]:
    """Create the key files below `root`, and a configuration (path, text); return the created paths.

    Raises KeyFileError or HostError if a file exists or cannot be created; the files created before it are removed.
    """
    created: list[Path] = []
    try:
        for path, create in _files(imported, root, config):
            create()
            created.append(path)
    except BaseException:
        for path in created:
            remove_file(path, trust=NAMED_BY_USER)
        raise
    return tuple(created)


def _files(imported: Imported, root: str, config: tuple[Path, str] | None) -> Iterator[tuple[Path, Callable[[], None]]]:
    path = Path(root + imported.network.private_key_path)
    yield path, partial(write_private_key, path, imported.private_key, trust=NAMED_BY_USER)
    for name, key in imported.preshared_keys.items():
        path = Path(root + name)
        yield path, partial(write_preshared_key, path, key, trust=NAMED_BY_USER)
    if config is not None:
        yield config[0], partial(_create_config, *config)


def _create_config(path: Path, text: str) -> None:
    try:
        create_file(path, text.encode(), MODE, trust=NAMED_BY_USER)
    except FileExistsError as error:
        raise HostError(f"{path} already exists", code="config.unwritable", errno=error.errno) from error
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", code="config.unwritable", errno=error.errno) from error
