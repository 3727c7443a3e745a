"""Performs RunScript and RunProgram for a command: its time, its pins, its least sandbox, and what it says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from warren.clock import monotonic_seconds
from warren.commands.effects.effect import Finished, RunProgram, RunScript
from warren.commands.handlers.program_runner import Programs
from warren.commands.pipeline.executor import Execution, Handlers
from warren.commands.scripts import ScriptError
from warren.commands.secrets import masked

Tell = Callable[[str, Mapping[str, object]], None]
"""Hears of an event: its name and fields."""

log = logging.getLogger(__name__)


def program_handlers(programs: Programs, tell: Tell) -> Handlers:
    """A script that may not be trusted is a security event of its own (V-83)."""

    async def run(effect: RunScript | RunProgram, running: Execution) -> Finished:
        command = running.command
        try:
            finished = await programs.run(
                effect,
                deadline_seconds=max(0.0, running.deadline - monotonic_seconds()),
                min_level=command.min_level,
                pinned=command.script_sha256 or {},
                on_output=running.on_output,
            )
        except ScriptError as error:
            tell(error.EVENT, {"corr_id": command.corr_id, **error.fields})
            raise
        running.note(finished)
        if finished.stderr_tail:
            said = masked(finished.stderr_tail.decode(errors="replace"), running.secrets)
            log.warning("program.complained", extra={"corr_id": command.corr_id, "rc": finished.rc, "stderr": said})
        return finished

    return {RunScript: run, RunProgram: run}
