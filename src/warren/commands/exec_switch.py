"""The owner's switch of commands, `[security] exec_enable`: a reload of the configuration turns them off at once."""

from __future__ import annotations


class ExecSwitch:
    """Hold whether commands may run. Commands that were off at the start stay off until the next one."""

    def __init__(self, enabled: bool) -> None:
        self._enabled_at_start = self._enabled = enabled

    def reload(self, enabled: bool) -> None:
        """Take the value of a configuration that was read again."""
        self._enabled = self._enabled_at_start and enabled

    def is_enabled(self) -> bool:
        """Return whether commands may run now."""
        return self._enabled
