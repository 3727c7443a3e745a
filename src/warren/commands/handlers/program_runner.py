"""Runs scripts and programs, each in a sandbox."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from warren.commands.effects.effect import EffectError
from warren.commands.effects.programs import ProgramResult, RunProgram, RunScript
from warren.commands.handlers.dynamic_user import ROOT, chosen
from warren.commands.handlers.output_capture import OutputCapture, TailCapture
from warren.commands.handlers.sandbox_process import Streams, open_null, run_sandbox
from warren.commands.handlers.script_file import open_script
from warren.commands.sandbox_protocol import Outcome, RunAs, SandboxLevel, SandboxRequest, higher, verify_outcome
from warren.commands.settings import SandboxSettings, ScriptSettings
from warren.errors import WarrenError
from warren.files.make_directory import make_directory
from warren.files.sealed_copy import sealed_copy
from warren.files.trusted_path import process_trust
from warren.local_client import ADMIN_GROUP

TAIL_BYTES = 4096  # of standard error: enough to see why it failed
PROBE_SECONDS = 10.0  # it takes milliseconds
SECRET_MODE = 0o444  # the copy has no name: only the holder of its descriptor can read it
# A program without a private /tmp works in a directory below this one.
DIRECTORY_MODE = 0o711


@dataclass(slots=True)
class _Prepared:
    """The host resources of a run; `close` releases them."""

    argv: tuple[str, ...]
    stdin: int
    user: RunAs
    image: int | None
    cleanup: ExitStack = field(repr=False)

    def close(self) -> None:
        self.cleanup.close()


class ProgramRunner:
    """Runs RunScript and RunProgram."""

    def __init__(
        self,
        settings: SandboxSettings,
        scripts: ScriptSettings,
        directory: Path,
        agent_user: str,
        admin_group: str = ADMIN_GROUP,
    ) -> None:
        """Run programs as any user but `agent_user` and the members of `admin_group`.

        `directory` holds the working directories of programs without a private /tmp, and the locks of users.
        """
        self._settings = settings
        self._scripts = scripts
        self._directory = directory
        self._agent_user = agent_user
        self._admin_group = admin_group

    async def run(  # noqa: PLR0913, each by its name
        self,
        effect: RunScript | RunProgram,
        *,
        deadline_seconds: float,
        min_level: str,
        pinned: Mapping[str, str],
        on_output: Callable[[bytes], None] | None = None,
        secrets: Sequence[bytes] = (),
    ) -> ProgramResult:
        """Run a program to its end; `on_output` takes its standard output, as far as it is kept, while it runs.

        Nothing of its output leaves this method, or reaches `on_output`, before the secrets in it are masked.

        A cancellation is raised when the program and all that it started are gone.

        Raises:
            CommandError: SCRIPT_NOT_FOUND; POLICY_DENIED if the host does not reach `min_level` or [sandbox]
                min_level; EXEC_TIMEOUT; CANCELLED if somebody else ended it.
            ScriptError: a script is not trusted.
            EffectError: it could not be started.
        """
        stdout = OutputCapture(self._settings.max_output_bytes, on_output, secrets)
        stderr = TailCapture(TAIL_BYTES, secrets)
        with _as_effect_errors():
            prepared = await _prepare_in_thread(lambda: self._prepare(effect, pinned))
        with prepared.cleanup, _as_effect_errors():
            request = self._request(prepared, deadline_seconds, min_level)
            streams = Streams(prepared.stdin, stdout.feed, stderr.feed)
            outcome = await run_sandbox(request, self._settings, streams, prepared.image)
        stdout.end()
        stderr.end()
        verify_outcome(outcome, _label(effect, prepared), deadline_seconds)
        return _finished(outcome, stdout, stderr)

    async def probe(self) -> SandboxLevel:
        """Return the confinement that this host gives a program, by a run without one. Raises as `run` does."""
        with _as_effect_errors():
            prepared = await _prepare_in_thread(lambda: self._prepare(None, {}))
        with prepared.cleanup, _as_effect_errors():
            request = self._request(prepared, PROBE_SECONDS, "L0", probe=True)
            streams = Streams(prepared.stdin, lambda _: None, lambda _: None)
            outcome = await run_sandbox(request, self._settings, streams)
        if outcome.problem is not None:
            raise EffectError(f"programs cannot run on this host: {outcome.problem}")
        return outcome.level

    def _prepare(self, effect: RunScript | RunProgram | None, pinned: Mapping[str, str]) -> _Prepared:
        """Open the script and acquire what the run needs."""
        with ExitStack() as cleanup:
            argv, image, secret = self._program(effect, pinned)
            if image is not None:
                cleanup.callback(os.close, image)
            stdin = sealed_copy(secret, "stdin", SECRET_MODE) if secret else open_null()
            cleanup.callback(os.close, stdin)
            make_directory(self._directory, DIRECTORY_MODE, trust=process_trust())
            user = cleanup.enter_context(
                chosen(self._settings.user, self._directory / "uids", self._agent_user, self._admin_group)
            )
            return _Prepared(argv, stdin, user, image, cleanup.pop_all())

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

    def _request(
        self, prepared: _Prepared, deadline_seconds: float, min_level: str, *, probe: bool = False
    ) -> SandboxRequest:
        directory = self._directory / f"run-{secrets.token_hex(8)}"
        level = min_level if probe else higher(min_level, self._settings.min_level)
        return SandboxRequest(prepared.argv, prepared.user, str(directory), level, deadline_seconds, probe)


@contextmanager
def _as_effect_errors() -> Iterator[None]:
    """Raise errors of the host as failures of the effect."""
    try:
        yield
    except OSError as error:
        raise EffectError(f"programs cannot run on this host: {error.strerror}") from error
    except WarrenError as error:
        raise EffectError(f"programs cannot run on this host: {error}; {error.hint}") from error


def _owners() -> frozenset[int]:
    """Return the users who may own a script."""
    return frozenset((ROOT,))


def _label(effect: RunScript | RunProgram, prepared: _Prepared) -> str:
    return f"the script {effect.name}" if isinstance(effect, RunScript) else prepared.argv[0]


def _finished(outcome: Outcome, stdout: OutputCapture, stderr: TailCapture) -> ProgramResult:
    return ProgramResult(
        rc=outcome.status,
        stdout=stdout.text,
        stdout_sha256=stdout.sha256,
        stderr_sha256=stderr.sha256,
        stderr_tail=stderr.text,
        truncated=stdout.is_truncated,
        level=outcome.level.level,
    )


async def _prepare_in_thread(prepare: Callable[[], _Prepared]) -> _Prepared:
    """Prepare a run in a thread; if the caller is cancelled meanwhile, release what was prepared."""
    prepared = asyncio.get_running_loop().run_in_executor(None, prepare)
    try:
        return await asyncio.shield(prepared)
    except asyncio.CancelledError:
        prepared.add_done_callback(_release)
        raise


def _release(prepared: asyncio.Future[_Prepared]) -> None:
    if not prepared.cancelled() and prepared.exception() is None:
        prepared.result().close()
