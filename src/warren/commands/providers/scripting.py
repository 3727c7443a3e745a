"""Users that the owner's scripts make (V-49 to V-51, V-58).

A script is given names as arguments and secrets by its standard input, one on each line. It says by its exit status
whether it is done; a script that lists prints one name on each line.
"""

from __future__ import annotations

from warren.commands.effects import Effects, Emit, Finished, RunScript, Secret, do
from warren.commands.providers.arguments import USERNAME
from warren.commands.result import Code, CommandError, Status
from warren.commands.settings import ScriptSettings


def are_set(scripts: ScriptSettings, name: str) -> bool:
    """Whether the owner has named this script, or a directory of them."""
    return name in scripts.entries or scripts.scripts_root is not None


def run_script(name: str, *arguments: str, secrets: tuple[str, ...] = ()) -> Effects[Finished]:
    """Raises CommandError EXEC_FAILED unless it ends with 0."""
    stdin = Secret("".join(f"{secret}\n" for secret in secrets).encode())
    finished = yield from do(RunScript(name, arguments, stdin))
    if finished.rc:
        problem = f"the script {name} ended with status {finished.rc}; its complaint is in the agent's log"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return finished


def list_by_script(name: str) -> Effects[frozenset[str]]:
    """The names that it prints. Raises CommandError EXEC_FAILED where a line is none, or where not all are known."""
    finished = yield from run_script(name)
    names = frozenset(finished.stdout.decode(errors="replace").split("\n")) - {""}
    if finished.truncated or any(USERNAME.problem(each) for each in names):
        problem = f"the script {name} printed what is no list of names; {USERNAME.about}, one on each line"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return names


def tell_of_user(event: str, username: str, system: str) -> Effects[None]:
    """`user.created`, `user.deleted` or `user.expired`."""
    yield from do(Emit(event, {"username": username, "system": system}))
