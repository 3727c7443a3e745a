"""Start a runner, which executes the privileged parts of signed commands."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from warren.errors import HostError, InputError
from warren.privsep.io.helper_state import HelperState
from warren.privsep.operation import DESCRIPTOR, Operation


@dataclass(frozen=True, slots=True)
class OpenRunner:
    """Start a runner and open a connection to it; the runner before it has to exit first."""


def open_runner(state: HelperState, _: OpenRunner) -> int:
    """Return the descriptor of a connection to a new runner. Raises InputError, HostError and OSError.

    The previous runner exits when its connection ends. No other operation waits for that.
    """
    if state.rules.commands is None:
        raise InputError("signed commands are disabled: [security] exec_enable is false", code="helper.refused")
    if sys.platform != "win32" and state.runner_pid is not None:
        if os.waitpid(state.runner_pid, os.WNOHANG) == (0, 0):
            problem = "the previous runner is still exiting"
            raise HostError(problem, code="host.refused", hint="retry when it has exited")
    state.runner_pid = None
    # Imported late: few need what a runner needs, and each helper would carry it.
    from warren.privsep.io.exec_setting import ExecSetting  # noqa: PLC0415
    from warren.privsep.io.runner_process import fork_runner  # noqa: PLC0415

    setting = ExecSetting(state.rules.config)
    state.runner_pid, connection = fork_runner(state.rules.commands, setting.is_enabled)
    return connection


OPEN_RUNNER = Operation(OpenRunner, {}, open_runner, DESCRIPTOR)
