"""Users that the owner's scripts make (V-49 to V-51, V-58).

A script is given names as arguments, in the order of the documents, and secrets by its standard input, one on each
line. It says by its exit status whether it is done; a script that lists prints one name on each line.
For an old script that wants its secrets among its arguments the owner says `args_mode = "argv"`: every local user can
read them there while it runs, so each time is told.
"""

from __future__ import annotations

from warren.commands.effects.effect import Effects, Emit, Finished, RunScript, Secret, do
from warren.commands.providers.arguments import USERNAME
from warren.commands.result import Code, CommandError, Status
from warren.commands.settings import ScriptSettings

ON_ARGV = "argv"


class Hidden(str):
    """A secret among arguments: it must be a text there, and even so no repr shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


def are_set(scripts: ScriptSettings, name: str) -> bool:
    """Whether the owner has named this script, or a directory of them."""
    return name in scripts.entries or scripts.scripts_root is not None


def run_script(scripts: ScriptSettings, name: str, *values: str | Secret) -> Effects[Finished]:
    """Raises CommandError EXEC_FAILED unless it ends with 0."""
    secrets = [each for each in values if isinstance(each, Secret)]
    if secrets and scripts.args_mode.get(name) == ON_ARGV:
        yield from do(Emit("script.secrets_on_argv", {"script": name}))
        arguments = tuple(Hidden(each.open().decode()) if isinstance(each, Secret) else each for each in values)
        finished = yield from do(RunScript(name, arguments))
    else:
        stdin = Secret(b"".join(each.open() + b"\n" for each in secrets))
        finished = yield from do(RunScript(name, tuple(each for each in values if isinstance(each, str)), stdin))
    if finished.rc:
        problem = f"the script {name} ended with status {finished.rc}; its complaint is in the agent's log"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return finished


def list_by_script(scripts: ScriptSettings, name: str) -> Effects[frozenset[str]]:
    """The names that it prints. Raises CommandError EXEC_FAILED where a line is none, or where not all are known."""
    finished = yield from run_script(scripts, name)
    names = frozenset(finished.stdout.decode(errors="replace").split("\n")) - {""}
    if finished.truncated or any(USERNAME.problem(each) for each in names):
        problem = f"the script {name} printed what is no list of names; {USERNAME.about}, one on each line"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return names


def tell_of_user(event: str, username: str, system: str) -> Effects[None]:
    """`user.created`, `user.deleted` or `user.expired`."""
    yield from do(Emit(event, {"username": username, "system": system}))
