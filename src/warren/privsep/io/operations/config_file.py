"""Open the configuration that the agent was started with, so that it can be read again."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from warren.errors import InputError
from warren.files.directory import READ_FLAGS
from warren.privsep.io.helper_state import HelperState, as_key_file_error, root_directory
from warren.privsep.operation import DESCRIPTOR, Operation


@dataclass(frozen=True, slots=True)
class OpenConfig:
    """Open the agent's configuration for reading."""


def open_config(path: Path) -> int:
    """Return the descriptor of a configuration that only root can have put there. Raises KeyFileError, InputError."""
    with as_key_file_error(str(path)), root_directory(path.parent) as directory:
        descriptor = directory.open(path.name, READ_FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path} is not a regular file", code="config.invalid")
    return descriptor


def open_own_config(state: HelperState, _: OpenConfig) -> int:
    """Return the descriptor of the configuration that the rules name. Raises KeyFileError, InputError."""
    return open_config(state.rules.config)


OPEN_CONFIG = Operation(OpenConfig, {}, open_own_config, DESCRIPTOR)
