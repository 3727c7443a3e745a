"""Scripts and programs of commands, as this process's user runs them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from tests.commands.pipeline.bundles import put, trusted_directory
from warren.commands.effects.effect import EffectError, Secret
from warren.commands.effects.programs import ProgramResult, RunProgram, RunScript
from warren.commands.handlers import dynamic_user
from warren.commands.handlers.dynamic_user import FIRST, LAST, chosen
from warren.commands.handlers.program_runner import TAIL_BYTES, ProgramRunner
from warren.commands.handlers.script_file import ScriptError
from warren.commands.result import Code, CommandError, Status
from warren.commands.settings import SandboxSettings, ScriptSettings
from warren.errors import HostError

pytestmark = [pytest.mark.integration, pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs")]

T = TypeVar("T")
TIMEOUT_SECONDS = 60.0
AGENT_USER = "bin"  # a user of every host


@pytest.fixture
def trusted() -> Iterator[Path]:
    """A directory of scripts, with one below it for programs to work in."""
    with trusted_directory() as directory:
        yield directory


def programs(
    trusted: Path, script: str = "", scripts: ScriptSettings | None = None, **sandbox: object
) -> ProgramRunner:
    """With a script of this text."""
    if script:
        put(trusted / "script", script)
    entries = ScriptSettings({"script": str(trusted / "script")})
    settings = SandboxSettings(**{"min_level": "L0", "grace_seconds": 1, **sandbox})  # type: ignore[arg-type]
    return ProgramRunner(settings, scripts or entries, trusted / "work", AGENT_USER)


async def run(  # noqa: PLR0913, all by their names
    made: ProgramRunner,
    effect: RunScript | RunProgram | None = None,
    *,
    seconds: float = TIMEOUT_SECONDS,
    min_level: str = "L0",
    pinned: dict[str, str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
    secrets: Sequence[bytes] = (),
) -> ProgramResult:
    return await made.run(
        effect or RunScript("script"),
        deadline_seconds=seconds,
        min_level=min_level,
        pinned=pinned or {},
        on_output=on_output,
        secrets=secrets,
    )


def done(running: Awaitable[T]) -> T:
    async def wait() -> T:
        return await running

    return asyncio.run(wait())


def processes(token: str) -> list[bytes]:
    """Whose command line has it."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes()
        except OSError:
            continue
        if token.encode() in command:
            found.append(command)
    return found


def test_result_has_output_hashes_and_exit_status(trusted: Path) -> None:
    made = programs(trusted, '#!/bin/sh\nprintf "%s|" "$@"\ncat\necho bad >&2\nexit 3\n')
    finished = done(run(made, RunScript("script", ("a b", "$(id)", "", "ü\n"), Secret(b"s3cret"))))
    assert finished.rc == 3
    assert finished.stdout == "a b|$(id)||ü\n|s3cret".encode()
    assert finished.stdout_sha256 == hashlib.sha256(finished.stdout).hexdigest()
    assert (finished.stderr_tail, finished.stderr_sha256) == (b"bad\n", hashlib.sha256(b"bad\n").hexdigest())
    assert not finished.truncated


def test_signal_is_reported_as_128_plus_its_number(trusted: Path) -> None:
    assert done(run(programs(trusted, "#!/bin/sh\nkill -USR1 $$\n"))).rc == 128 + 10


def test_standard_input_can_be_reopened(trusted: Path) -> None:
    made = programs(trusted, "#!/bin/sh\ncat /dev/stdin\necho said > /dev/stderr\n")
    finished = done(run(made, RunScript("script", stdin=Secret(b"s3cret"))))
    assert (finished.stdout, finished.stderr_tail) == (b"s3cret", b"said\n")


def test_program_runs_by_absolute_path(trusted: Path) -> None:
    assert done(run(programs(trusted), RunProgram(("/bin/echo", "a", "b")))).stdout == b"a b\n"


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (("/nowhere/echo",), "/nowhere/echo has not run: /nowhere/echo: No such file or directory"),
        (("echo",), "must be absolute paths without NUL"),
        (("/bin/echo", "a\0b"), "must be absolute paths without NUL"),
        (("/etc/passwd",), "/etc/passwd: Permission denied"),
    ],
)
def test_program_that_cannot_be_started_is_an_error(trusted: Path, argv: tuple[str, ...], problem: str) -> None:
    with pytest.raises(EffectError, match=problem):
        done(run(programs(trusted), RunProgram(argv)))


def test_script_without_interpreter_is_not_run_by_a_shell(trusted: Path) -> None:
    with pytest.raises(EffectError, match="it has no first line #!INTERPRETER"):
        done(run(programs(trusted, "echo shell\n")))


def test_missing_or_untrusted_script_is_rejected(trusted: Path) -> None:
    with pytest.raises(CommandError, match="does not exist") as refused:
        done(run(programs(trusted)))
    assert (refused.value.code, refused.value.status) == (Code.SCRIPT_NOT_FOUND, Status.ERROR)
    made = programs(trusted, "#!/bin/sh\n")
    (trusted / "script").chmod(0o777)
    with pytest.raises(ScriptError):
        done(run(made))


@pytest.mark.security
def test_pinned_script_runs_from_a_sealed_copy(trusted: Path) -> None:
    text = f'#!/bin/sh\necho "#!/bin/sh" > {trusted}/script; echo good "$@"\n'
    pin = hashlib.sha256(text.encode()).hexdigest()
    made = programs(trusted, text)
    finished = done(run(made, RunScript("script", ("a",)), pinned={"script": pin}))
    assert (finished.rc, finished.stdout) == (0, b"good a\n")
    with pytest.raises(ScriptError, match=pin):
        done(run(programs(trusted, text + "\n"), pinned={"script": pin}))


def test_live_output_equals_the_kept_output(trusted: Path) -> None:
    heard: list[bytes] = []
    made = programs(trusted, "#!/bin/sh\nprintf 123\nsleep 0.2\nprintf 456789\n", max_output_bytes=5)
    finished = done(run(made, on_output=heard.append))
    assert heard[0] == b"123"
    assert b"".join(heard) == b"12345"
    assert finished.stdout == b"12345\n[truncated: the first 5 of 9 octets]\n"
    assert finished.truncated
    assert finished.stdout_sha256 == hashlib.sha256(b"123456789").hexdigest()


@pytest.mark.security
@pytest.mark.parametrize("most", [0, 5, 7, 8, 9, 11, 65_536])
def test_no_part_of_a_secret_survives_a_cut_or_a_piece(trusted: Path, most: int) -> None:
    script = (
        "#!/bin/sh\nprintf 'said: pass'\nsleep 0.05\nprintf 'word123!'\nprintf '%s' password123 >&2\nprintf password\n"
    )
    heard: list[bytes] = []
    made = programs(trusted, script, max_output_bytes=most)
    finished = done(run(made, on_output=heard.append, secrets=[b"password123"]))
    shown = b"said: ***!***"
    assert b"".join(heard) == shown[:most]
    assert finished.stdout.startswith(shown[:most])
    assert finished.stderr_tail == b"***"
    assert b"pass" not in finished.stdout
    assert finished.stdout_sha256 == hashlib.sha256(shown).hexdigest()
    assert finished.stderr_sha256 == hashlib.sha256(b"***").hexdigest()


@pytest.mark.security
def test_no_part_of_a_secret_survives_at_the_start_of_the_tail(trusted: Path) -> None:
    for tail in range(TAIL_BYTES - 12, TAIL_BYTES + 2, 3):
        made = programs(trusted, f"#!/bin/sh\n{{ printf password123; head -c {tail} /dev/zero | tr '\\0' x; }} >&2\n")
        assert set(done(run(made, secrets=[b"password123"])).stderr_tail) <= set(b"*x")


def test_program_is_killed_at_its_deadline(trusted: Path) -> None:
    made = programs(trusted, "#!/bin/sh\nsleep 600\n")
    with pytest.raises(CommandError, match=r"the script script was ended after 0\.2 s") as refused:
        done(run(made, seconds=0.2))
    assert (refused.value.code, refused.value.status) == (Code.EXEC_TIMEOUT, Status.TIMEOUT)


def test_terminated_program_can_clean_up(trusted: Path) -> None:
    heard: list[bytes] = []
    made = programs(trusted, "#!/bin/sh\ntrap 'echo tidied; exit 0' TERM\nsleep 600 &\nwait\n", grace_seconds=60)
    with pytest.raises(CommandError):
        done(run(made, seconds=0.3, on_output=heard.append))
    assert heard == [b"tidied\n"]


@pytest.mark.parametrize("times", [1, 2])
def test_cancellation_returns_when_no_process_is_left(trusted: Path, times: int) -> None:
    """The second time there is no grace."""
    token = secrets.token_hex(8)
    text = "#!/bin/sh\ntrap '' TERM\necho begun\n(setsid sleep 600 &)\nsleep 600\n"
    made = programs(trusted, text, grace_seconds=1 if times == 1 else 3600)

    async def cancelled() -> None:
        begun = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            effect = RunScript("script", (token,))
            task = group.create_task(run(made, effect, on_output=lambda _: begun.set()))
            await begun.wait()
            assert processes(token) != []
            for _ in range(times):
                task.cancel("enough")
                await asyncio.sleep(0.1)
        assert task.cancelled()
        assert processes(token) == []

    done(cancelled())


def test_cancellation_before_the_start_runs_nothing(trusted: Path) -> None:
    token = secrets.token_hex(8)
    made = programs(trusted, f"#!/bin/sh\n: > {trusted}/ran\n", writable=(str(trusted),))

    async def cancelled() -> None:
        for turns in range(40):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(run(made, RunScript("script", (token,))))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
            assert task.cancelled()
        assert processes(token) == []

    before = len(list(Path("/proc/self/fd").iterdir()))
    done(cancelled())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_probe_reports_the_level_of_this_host(trusted: Path) -> None:
    reached = done(programs(trusted).probe())
    assert reached.level == done(run(programs(trusted), RunProgram(("/bin/true",)))).level
    assert {"user", "no_new_privs", "no_capabilities", "limits", "system_calls", "memory"} <= reached.facts


def test_unknown_user_is_reported(trusted: Path) -> None:
    with pytest.raises(EffectError, match="there is no user warren-nobody-has"):
        done(run(programs(trusted, "#!/bin/sh\n", user="warren-nobody-has")))


def test_program_runs_as_the_configured_user(trusted: Path) -> None:
    made = programs(trusted, "#!/bin/sh\nid -un\n", user="daemon")
    assert done(run(made)).stdout == b"daemon\n"


def test_user_writes_only_in_writable(trusted: Path) -> None:
    for name in ("shared", "other"):
        (trusted / name).mkdir()
        shutil.chown(trusted / name, "daemon")
    text = f"#!/bin/sh\nid -un\n: > {trusted}/shared/a\n: > {trusted}/other/a\n"
    finished = done(run(programs(trusted, text, user="daemon", writable=(f"{trusted}/shared",))))
    assert finished.stdout == b"daemon\n"
    assert b"other/a: Permission denied" in finished.stderr_tail
    assert [path.name for path in (trusted / "shared").iterdir()] == ["a"]
    assert list((trusted / "other").iterdir()) == []


def test_each_run_has_its_own_user(trusted: Path) -> None:
    made = programs(trusted, "#!/bin/sh\nid -u; id -g; id -G; pwd; ls -ldn . | cut -d' ' -f1,3\nsleep 0.2\n")

    async def several() -> list[ProgramResult]:
        return await asyncio.gather(*(run(made) for _ in range(4)))

    said = [finished.stdout.decode().split("\n") for finished in done(several())]
    uids = {lines[0] for lines in said}
    assert len(uids) == 4
    assert all(FIRST <= int(uid) <= LAST for uid in uids)
    for uid, gid, groups, _, own, *_ in said:
        assert (gid, groups, own) == (uid, uid, f"drwx------ {uid}")


def test_uid_in_use_is_not_allocated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic_user, "LOCKS", tmp_path / "none")
    monkeypatch.setattr(dynamic_user, "LAST", FIRST + 1)
    with chosen(None, tmp_path, AGENT_USER) as one, chosen(None, tmp_path, AGENT_USER) as other:
        assert one is not None
        assert other is not None
        assert {one.uid, other.uid} == {FIRST, FIRST + 1}
        with pytest.raises(HostError, match="in use"), chosen(None, tmp_path, AGENT_USER):
            pass
    assert list(tmp_path.iterdir()) == []
    with chosen(None, tmp_path, AGENT_USER) as again:
        assert again is not None


def test_uid_of_systemd_is_not_allocated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic_user, "LOCKS", tmp_path)
    monkeypatch.setattr(dynamic_user, "LAST", FIRST)
    with chosen(None, tmp_path / "ours", AGENT_USER) as one:
        assert one is not None
        assert [path.name for path in tmp_path.iterdir()] == [str(FIRST)]
        with pytest.raises(HostError, match="in use"), chosen(None, tmp_path / "ours", AGENT_USER):
            pass
