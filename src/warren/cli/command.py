"""`warren command`: sign what a node is to do, and hand it in at the node's own socket.

The two halves need not be on one machine: `challenge` and `submit` run on the node, `sign` where the operator's keys
are, and what is carried between them is public.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from warren.cli.options import json_option, socket_option
from warren.cli.output import tell, write
from warren.cli.signing import Signers, checked_challenge, parse_challenge, sign_for, signing_options
from warren.cli.tail import follow_output
from warren.commands.registry import VERBS
from warren.commands.result import UNKNOWN, Result, Status
from warren.commands.result_json import result_members
from warren.commands.sealed import open_data
from warren.commands.signing import validate_result
from warren.errors import InputError, RemoteError
from warren.jws import MAX_BYTES, JwsError, VerifyingKey
from warren.localapi.io.client import request
from warren.trust.io.keyset_file import read_keyset

PATIENCE_SECONDS = 3_700.0  # the longest that [sandbox] cmd_timeout_secs may be, and a little
INTENT_SECONDS = 300
FAILED = 1
PATH = click.Path(path_type=Path, allow_dash=True)
Wrapped = TypeVar("Wrapped", bound=Callable[..., object])


@click.group()
def command() -> None:
    """Sign commands, and have this node carry them out."""


@command.command()
@socket_option
def challenge(socket: Path) -> None:
    """Print what whoever signs for this node's own socket needs, as JSON. It is public, and ends with the agent."""
    write(json.dumps(request(socket, "challenge"), indent=2) + "\n")


@command.command()
@signing_options
@click.option(
    "--challenge", "challenge_file", metavar="FILE", type=PATH, required=True, help="What `challenge` printed."
)
@click.option("-o", "--output", metavar="FILE", type=PATH, help="Without it, standard output.")
def sign(
    verb: str,
    arguments: tuple[str, ...],
    signers: Signers,
    challenge_file: Path,
    output: Path | None,
) -> None:
    """Sign a command for one node: an operator's word, and the dispatch key's round it.

    A secret argument is never a word of the command line: NAME alone asks for it, or takes a line of standard input;
    NAME=@FILE takes a file. It is sealed to the node's key. `warren verbs` has the names.
    """
    found = parse_challenge(_text(challenge_file))
    envelope = sign_for(VERBS[verb], arguments, signers, found)
    if output is None:
        write(f"{envelope}\n")
    else:
        _put(output, envelope)


@command.command()
@click.argument("file", type=PATH)
@click.option("--operator", metavar="FILE", type=PATH, help="Whose key opens what is secret of the answer.")
@click.option("--dry-run", is_flag=True, help="List what it would do; nothing is done, and no number used up.")
@socket_option
@json_option
def submit(file: Path, operator: Path | None, dry_run: bool, socket: Path, as_json: bool) -> None:
    """Hand in a signed command, and show what became of it. Exit status 1 unless that is SUCCESS."""
    envelope = _text(file).strip()
    if dry_run:
        _show_preview(request(socket, "dry_run", config={"envelope": envelope}), as_json)
    else:
        _submit(socket, envelope, operator, as_json)


@command.command()
@signing_options
@click.option("--dry-run", is_flag=True, help="List what it would do; nothing is done.")
@socket_option
@json_option
def run(  # noqa: PLR0913, PLR0917, click's
    verb: str,
    arguments: tuple[str, ...],
    signers: Signers,
    dry_run: bool,
    socket: Path,
    as_json: bool,
) -> None:
    """`challenge`, `sign` and `submit` in one, where the keys are on the node."""
    found = checked_challenge(request(socket, "challenge"))
    envelope = sign_for(VERBS[verb], arguments, signers, found)
    if dry_run:
        _show_preview(request(socket, "dry_run", config={"envelope": envelope}), as_json)
    else:
        _submit(socket, envelope, signers.operator, as_json)


@command.command()
@click.argument("corr_id")
@socket_option
def cancel(corr_id: str, socket: Path) -> None:
    """End a command that is under way, with all that it has started."""
    if not request(socket, "cancel", config={"corr_id": corr_id})["cancelled"]:
        tell(f"{corr_id} is not under way")
        sys.exit(FAILED)
    write(f"{corr_id} is being ended\n")


def _submit(socket: Path, envelope: str, operator: Path | None, as_json: bool) -> None:
    node = checked_challenge(request(socket, "challenge"))
    with follow_output(socket, envelope, show=not as_json):
        answer = request(socket, "command", config={"envelope": envelope}, timeout=PATIENCE_SECONDS)
    result = _validated(answer, node)
    if operator is not None and (key := read_keyset(operator).sealing) is not None:
        data: Mapping[str, object] = open_data(result.data, result.corr_id, key)
    else:
        data = result.data
    write(_as_json(result, data) if as_json else _in_words(result, data))
    if result.status is not Status.SUCCESS:
        sys.exit(FAILED)


def _validated(answer: Mapping[str, object], node: Mapping[str, str]) -> Result:
    """By the node's own signature."""
    match answer:
        case {"jws": str(jws), "result": {"corr_id": str(corr_id)}}:
            try:
                key = VerifyingKey.from_x(node["signing"])
                return validate_result(jws, key, agent_id=node["agent_id"], corr_id=corr_id)
            except (JwsError, ValueError) as error:
                raise RemoteError(f"the answer is not the node's: {error}", code="agent.failed") from error
    raise RemoteError("the agent answered what it was not asked for", code="agent.failed")


def _as_json(result: Result, data: Mapping[str, object]) -> str:
    return json.dumps({**result_members(result), "data": dict(data)}, indent=2) + "\n"


def _in_words(result: Result, data: Mapping[str, object]) -> str:
    code = "" if result.status is Status.SUCCESS else f" {result.error_code}: {result.problem}"
    if result.corr_id == UNKNOWN:  # nothing was proven, so it has no name
        return f"{result.status}{code}\n"
    lines = [f"{result.verb} {result.status}{code}", f"  corr_id: {result.corr_id}"]
    if result.status is not Status.DENIED:
        lines.append(f"  took {result.duration_ms} ms, sandbox {result.level}")
    lines += [f"  {name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in data.items()]
    return "".join(f"{line}\n" for line in lines)


def _show_preview(answer: Mapping[str, object], as_json: bool) -> None:
    effects = answer.get("effects")
    lines = [str(each) for each in effects] if isinstance(effects, list) else []
    if problem := answer.get("problem"):
        lines.append(f"it would fail: {problem}")
    write(json.dumps(answer, indent=2) + "\n" if as_json else "".join(f"{line}\n" for line in lines))


def _text(path: Path) -> str:
    try:
        if str(path) == "-":
            return sys.stdin.read(MAX_BYTES + 2)
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(MAX_BYTES + 2)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", code="command.unusable", errno=error.errno) from error


def _put(path: Path, envelope: str) -> None:
    try:
        path.write_text(f"{envelope}\n", encoding="ascii")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", code="command.unusable", errno=error.errno) from error
