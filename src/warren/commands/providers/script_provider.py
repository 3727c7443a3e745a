"""Users that are created by the owner's scripts (V-49 to V-51, V-58).

A script takes names as arguments, in the order of the schema, and secrets on standard input, one per line. Its exit
status reports success; a script that lists prints one name per line. For an old script that takes secrets as arguments
the owner sets `args_mode = "argv"`. Every local user can read them there while it runs, so each run emits an event.
"""

from __future__ import annotations

from warren.commands.effects.effect import Effects, Secret, do
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.programs import ProgramResult, RunScript
from warren.commands.providers.arguments import USERNAME
from warren.commands.result import Code, CommandError, Status
from warren.commands.settings import ScriptSettings

ON_ARGV = "argv"


class HiddenArgument(str):
    """A secret among arguments: it must be a text there, but its repr does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


def are_set(scripts: ScriptSettings, name: str) -> bool:
    """Return whether the configuration names this script or a directory of scripts."""
    return name in scripts.entries or scripts.scripts_root is not None


def run_script(scripts: ScriptSettings, name: str, *values: str | Secret) -> Effects[ProgramResult]:
    """Run a script.

    Raises:
        CommandError: EXEC_FAILED unless its exit status is 0.
    """
    secrets = [value for value in values if isinstance(value, Secret)]
    if secrets and scripts.args_mode.get(name) == ON_ARGV:
        yield from do(EmitEvent("script.secrets_on_argv", {"script": name}))
        arguments = tuple(
            HiddenArgument(value.open().decode()) if isinstance(value, Secret) else value for value in values
        )
        result = yield from do(RunScript(name, arguments))
    else:
        stdin = Secret(b"".join(secret.open() + b"\n" for secret in secrets))
        result = yield from do(RunScript(name, tuple(value for value in values if isinstance(value, str)), stdin))
    if result.rc:
        problem = f"script {name} exited with status {result.rc}; see its standard error in the agent log"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return result


def list_by_script(scripts: ScriptSettings, name: str) -> Effects[frozenset[str]]:
    """Return the names that a script prints.

    Raises:
        CommandError: EXEC_FAILED if a line is not a name, or the output was truncated.
    """
    result = yield from run_script(scripts, name)
    names = frozenset(result.stdout.decode(errors="replace").split("\n")) - {""}
    if result.truncated or any(USERNAME.problem(line) for line in names):
        problem = f"script {name}: expected names, one per line, of {USERNAME.expected}"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return names


def emit_user_event(event: str, username: str, system: str) -> Effects[None]:
    """Emit `user.created`, `user.deleted`, `user.expired` or `user.suspended`."""
    yield from do(EmitEvent(event, {"username": username, "system": system}))
