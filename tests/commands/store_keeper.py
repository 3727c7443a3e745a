"""A process that runs programs as an agent does; `kept.py` starts it, as this user or that, and sometimes kills it.

Its argument is JSON: `uid` (or null), `holds_key`, `sandbox` (the program, or null for the one that is installed),
`directory`, `settings` of [sandbox], `entries` of [scripts], `deadline`, and `runs`, lists of a script's name and its
arguments that run side by side; `{pid}` there is its own number. It writes a line for each as it ends.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401, imported when it is first needed, when this user may not read it any more
import ctypes
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from warren.commands.effects.effect import EffectError, Secret
from warren.commands.effects.programs import RunScript
from warren.commands.handlers import sandbox_process
from warren.commands.handlers.program_runner import ProgramRunner
from warren.commands.result import CommandError
from warren.commands.settings import SandboxSettings, ScriptSettings


def main() -> None:
    """Until all have ended."""
    given = json.loads(sys.argv[1])
    if given["sandbox"] is not None:
        sandbox_process.find_sandbox = lambda: str(given["sandbox"])  # type: ignore[assignment]
    if given["holds_key"]:
        hold_key()
    if given["uid"] is not None:
        os.setgroups([])
        os.setgid(given["uid"])
        os.setuid(given["uid"])
    asyncio.run(keep(given))


def hold_key() -> None:
    """In a session keyring of its own, as what pam_keyinit(8) or a service manager makes."""
    libc = ctypes.CDLL(None, use_errno=True)
    add_key = {"x86_64": 248, "aarch64": 217, "riscv64": 217}[platform.machine()]
    keyctl = add_key + 2
    joined = libc.syscall(keyctl, 1, None)
    added = libc.syscall(add_key, b"user", b"warren-held-key", b"secret", 6, -3)
    if min(joined, added) < 0:
        sys.exit(os.strerror(ctypes.get_errno()))


async def keep(given: dict[str, Any]) -> None:
    """Runs them all."""
    limits = {**given["settings"], "writable": tuple(given["settings"].get("writable", ()))}
    directory = Path(given["directory"])
    programs = ProgramRunner(SandboxSettings(**limits), ScriptSettings(given["entries"]), directory, "warren")
    async with asyncio.TaskGroup() as group:
        for name, *arguments in given["runs"]:
            group.create_task(run(programs, name, arguments, given["deadline"]))
        tell({"pid": os.getpid()})


async def run(programs: ProgramRunner, name: str, arguments: list[str], deadline: float) -> None:
    """One of them."""
    own = str(os.getpid())
    effect = RunScript(name, tuple(text.replace("{pid}", own) for text in arguments), Secret(b"a secret\n"))
    began = False

    def begin(_: bytes) -> None:
        nonlocal began
        if not began:
            tell({"begun": name})
        began = True

    try:
        done = await programs.run(effect, deadline_seconds=deadline, min_level="L0", pinned={}, on_output=begin)
    except CommandError as error:
        tell({"name": name, "code": error.code.value, "problem": str(error)})
    except EffectError as error:
        tell({"name": name, "code": "", "problem": str(error)})
    else:
        texts = {"stdout": done.stdout.decode(errors="replace"), "stderr_tail": done.stderr_tail.decode()}
        tell({"name": name, **asdict(done), **texts})


def tell(said: dict[str, Any]) -> None:
    """A line."""
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
