"""Performs RunScript and RunProgram for a command: its time limit, its pins, its minimum level, its output."""

from __future__ import annotations

import logging
from pathlib import Path

from warren.clock import monotonic_seconds
from warren.commands.effects.programs import ProgramResult, RunProgram, RunScript
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.program_runner import ProgramRunner
from warren.commands.handlers.resources import Resources
from warren.commands.handlers.script_file import ScriptError

log = logging.getLogger(__name__)


def handlers(resources: Resources) -> Handlers:
    """Return the handlers; a script that is not trusted is a security event of its own (V-83)."""
    settings = resources.settings
    runner = ProgramRunner(
        settings.sandbox, settings.scripts, Path(settings.runner) / "work", settings.user, settings.admin_group
    )

    async def run(effect: RunScript | RunProgram, execution: Execution) -> ProgramResult:
        command = execution.command
        try:
            result = await runner.run(
                effect,
                deadline_seconds=max(0.0, execution.deadline - monotonic_seconds()),
                min_level=command.min_level,
                pinned=command.script_sha256 or {},
                on_output=execution.on_output,
                secrets=execution.secrets,
            )
        except ScriptError as error:
            resources.emit_event(error.EVENT, {"corr_id": command.corr_id, **error.fields})
            raise
        execution.record_program(result)
        if result.stderr_tail:
            text = result.stderr_tail.decode(errors="replace")
            log.warning("program.stderr", extra={"corr_id": command.corr_id, "rc": result.rc, "stderr": text})
        return result

    return {RunScript: run, RunProgram: run}
