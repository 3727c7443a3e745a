"""The owner's switch of commands, `[security] exec_enable`, as root's configuration file has it at this moment.

The runner asks it whenever it verifies a command: on arrival, and again when its turn comes. It does not rely on the
agent, which may have been taken over, to reload the configuration.
"""

from __future__ import annotations

import logging
import stat
from pathlib import Path

from warren.config.parsers import FLAG
from warren.config.reader import Report, Table, parse_toml
from warren.errors import ConfigError, InputError, WarrenError
from warren.privsep.io.operations.config_file import open_config
from warren.privsep.io.service_user import ROOT
from warren.tunnel.io.conffile import read_text
from warren.tunnel.peer_headers import expand_peer_headers

TABLE, KEY = "security", "exec_enable"
WRITERS = stat.S_IWGRP | stat.S_IWOTH

log = logging.getLogger(__name__)


class ExecSetting:
    """Hold whether the file lets commands run; it is read again whenever it has changed.

    A file that is gone disables them. One that cannot be read as a configuration leaves the setting as it was, as a
    reload of the agent does.
    """

    def __init__(self, config: Path) -> None:
        self._config = config
        self._read_state: tuple[int, ...] | None = None
        self._enabled = True  # a runner is not started otherwise

    def is_enabled(self) -> bool:
        """Return whether commands may run now."""
        state = self._file_state()
        if state is None:
            return False
        if state != self._read_state:
            self._read_state = state
            self._read()
        return self._enabled

    def _file_state(self) -> tuple[int, ...] | None:
        try:
            status = self._config.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size

    def _read(self) -> None:
        try:
            self._enabled = read_exec_enable(self._config)
        except WarrenError as error:
            log.warning("config.rejected", extra={"code": error.code, "error": str(error)})


def read_exec_enable(config: Path) -> bool:
    """Return the setting of a file that only root can have written. Raises WarrenError."""
    text, status = read_text(config, open_config)
    if status.st_uid != ROOT or status.st_mode & WRITERS:
        raise InputError(f"{config} can be changed by others than root", code="config.untrusted_owner")
    values = parse_toml(expand_peer_headers(text).text, str(config))
    table = Table(values, "", report := Report()).table(TABLE)
    enabled = False if table is None else table.read(KEY, FLAG, default=False)
    if report.findings:
        raise ConfigError(report.findings, source=str(config))
    return enabled
