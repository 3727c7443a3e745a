"""Runs the scripts and programs of commands, each in a sandbox."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from warren.commands.effects.effect import EffectError, Finished, RunProgram, RunScript
from warren.commands.handlers.dynamic_user import ROOT, chosen, own_uid
from warren.commands.handlers.sandbox import Streams, carry_out, open_nothing
from warren.commands.handlers.script_file import open_script
from warren.commands.output import Output, Tail
from warren.commands.sandbox import Outcome, RunAs, SandboxLevel, SandboxRequest, higher, verify_outcome
from warren.commands.settings import SandboxSettings, ScriptSettings
from warren.errors import WarrenError
from warren.files.directory import make_directory
from warren.files.sealed_copy import sealed_copy

TAIL_BYTES = 4096  # of standard error: what a person needs to see why it failed
PROBE_SECONDS = 10.0  # it takes milliseconds
SECRET_MODE = 0o444  # the copy has no name: whoever holds its descriptor may read it
# A sandbox that has no /tmp of its own gives its program a directory below ours, by its absolute path.
PASSABLE = 0o711


@dataclass(slots=True)
class _Prepared:
    """What a run needs of the host; `close` gives it back."""

    argv: tuple[str, ...]
    stdin: int
    user: RunAs | None
    image: int | None
    held: ExitStack = field(repr=False)

    def close(self) -> None:
        self.held.close()


class Programs:
    """The handler of RunScript and RunProgram."""

    def __init__(self, settings: SandboxSettings, scripts: ScriptSettings, directory: Path) -> None:
        """Below `directory` programs work that cannot have a file system of their own, and claims of users are."""
        self._settings = settings
        self._scripts = scripts
        self._directory = directory

    async def run(
        self,
        effect: RunScript | RunProgram,
        *,
        deadline_seconds: float,
        min_level: str,
        pinned: Mapping[str, str],
        on_output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """How it ended, by itself. `on_output` hears as much of its standard output as is kept, while it runs.

        Raises CommandError: SCRIPT_NOT_FOUND; POLICY_DENIED where less than `min_level` or [sandbox] min_level is
        reached; EXEC_TIMEOUT; CANCELLED where another than its caller ended it. ScriptError where a script may not be
        trusted, another EffectError where it could not begin.
        Cancelled, it returns when the program and all that it started are gone.
        """
        stdout, stderr = Output(self._settings.max_output_bytes, on_output), Tail(TAIL_BYTES)
        with _failing():
            prepared = await _in_thread(lambda: self._prepare(effect, pinned))
        with prepared.held, _failing():
            order = self._order(prepared, deadline_seconds, min_level)
            streams = Streams(prepared.stdin, stdout.feed, stderr.feed)
            outcome = await carry_out(order, self._settings, streams, prepared.image)
        verify_outcome(outcome, _label(effect, prepared), deadline_seconds)
        return _finished(outcome, stdout, stderr)

    async def probe(self) -> SandboxLevel:
        """What this host can give a program, found out by going all the way without one. Raises as `run`."""
        with _failing():
            prepared = await _in_thread(lambda: self._prepare(None, {}))
        with prepared.held, _failing():
            order = self._order(prepared, PROBE_SECONDS, "L0", probe=True)
            streams = Streams(prepared.stdin, lambda _: None, lambda _: None)
            outcome = await carry_out(order, self._settings, streams)
        if outcome.problem is not None:
            raise EffectError(f"programs cannot run on this host: {outcome.problem}")
        return outcome.level

    def _prepare(self, effect: RunScript | RunProgram | None, pinned: Mapping[str, str]) -> _Prepared:
        """Looks at the script, and claims what the run needs."""
        with ExitStack() as held:
            argv, image, secret = self._program(effect, pinned)
            if image is not None:
                held.callback(os.close, image)
            stdin = sealed_copy(secret, "stdin", SECRET_MODE) if secret else open_nothing()
            held.callback(os.close, stdin)
            make_directory(self._directory, PASSABLE)
            user = held.enter_context(chosen(self._settings.user, self._directory / "uids"))
            return _Prepared(argv, stdin, user, image, held.pop_all())

    def _program(
        self, effect: RunScript | RunProgram | None, pinned: Mapping[str, str]
    ) -> tuple[tuple[str, ...], int | None, bytes]:
        match effect:
            case RunScript(name, arguments, stdin):
                script = open_script(name, self._scripts, _owners(), pinned)
                return (script.path, *arguments), script.image, stdin.open()
            case RunProgram(argv, stdin):
                return argv, None, stdin.open()
            case None:
                return (), None, b""

    def _order(
        self, prepared: _Prepared, deadline_seconds: float, min_level: str, *, probe: bool = False
    ) -> SandboxRequest:
        directory = self._directory / f"run-{secrets.token_hex(8)}"
        level = min_level if probe else higher(min_level, self._settings.min_level)
        return SandboxRequest(prepared.argv, prepared.user, str(directory), level, deadline_seconds, probe)


@contextmanager
def _failing() -> Iterator[None]:
    """What this host refuses, as the failure of an effect."""
    try:
        yield
    except OSError as error:
        raise EffectError(f"programs cannot run on this host: {error.strerror}") from error
    except WarrenError as error:
        raise EffectError(f"programs cannot run on this host: {error}; {error.hint}") from error


def _owners() -> frozenset[int]:
    """To whom a script may belong: root, and the user of an agent that has no rights of root's."""
    return frozenset((ROOT, own_uid()))


def _label(effect: RunScript | RunProgram, prepared: _Prepared) -> str:
    return f"the script {effect.name}" if isinstance(effect, RunScript) else prepared.argv[0]


def _finished(outcome: Outcome, stdout: Output, stderr: Tail) -> Finished:
    return Finished(
        rc=outcome.status,
        stdout=stdout.text,
        stdout_sha256=stdout.sha256,
        stderr_sha256=stderr.sha256,
        stderr_tail=stderr.text,
        truncated=stdout.is_truncated,
        level=outcome.level.level,
    )


async def _in_thread(prepare: Callable[[], _Prepared]) -> _Prepared:
    """What it made, or, if nobody waits for it any more, nothing: it is given back."""
    made = asyncio.get_running_loop().run_in_executor(None, prepare)
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        made.add_done_callback(_give_back)
        raise


def _give_back(made: asyncio.Future[_Prepared]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().close()
