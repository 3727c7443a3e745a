"""`warren command`: sign commands, and submit them to the socket of a node.

Signing and submitting can be on two machines: `challenge` and `submit` run on the node, `sign` where the operator's
keys are. What goes between them is public.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from warren.cli.help import Group, Option
from warren.cli.options import json_option, socket_option
from warren.cli.output import report, warn, write
from warren.cli.signing import Signers, checked_challenge, parse_challenge, sign_for, signing_options
from warren.cli.tail import follow_output
from warren.cli.trust_options import Security, security_options
from warren.commands.registry import VERBS
from warren.commands.result import UNKNOWN, Result, Status
from warren.commands.result_json import result_members
from warren.commands.sealing import open_data
from warren.commands.signing import validate_result
from warren.errors import HostError, InputError, RemoteError, WarrenError
from warren.files.bounded_read import read_named
from warren.files.in_place import write_output
from warren.jws import MAX_BYTES, JwsError, VerifyingKey
from warren.localapi.io.client import request
from warren.privsep.io.runner_record import begin_runner_record
from warren.privsep.io.service_user import is_root
from warren.terminal import visible_line
from warren.trust.io.keyset_file import read_keyset
from warren.trust.sealing import SecretScope

TIMEOUT_SECONDS = 3_700.0  # the maximum of [sandbox] cmd_timeout_secs, and a margin
FAILED = 1
CONTINUATION = " " * 4
PATH = click.Path(path_type=Path, allow_dash=True)
KEYS = "--operator alice.jwks --dispatch dispatch.jwks"


@click.group(
    cls=Group,
    examples=(f"warren command run get_system_health {KEYS}", "warren verbs"),
)
def command() -> None:
    """Sign and run commands on this node."""


@command.command(examples=("warren command challenge > challenge.json",))
@socket_option
def challenge(socket: Path) -> None:
    """Print the signing challenge for the local socket.

    It is JSON, public, and valid until the agent restarts.
    """
    write(json.dumps(request(socket, "challenge"), indent=2) + "\n")


@command.command("begin-record", examples=("warren command begin-record",))
@security_options
def begin_record(security: Security) -> None:
    """Begin the records of used commands anew.

    Until the time that the clock showed then, every command is refused (condition `command.record_ahead`). Root runs
    this once the clock is right. The record of the privileged runner is changed while the runner is stopped: run the
    command again after `systemctl stop warren-runner.socket warren-runner.service`.
    """
    if not is_root():
        raise HostError("only root may vouch for the clock", code="host.refused", hint="run it as root")
    failed: list[WarrenError] = []
    for name, lower in (
        ("runner", partial(begin_runner_record, Path(security.runner), Path(security.trust))),
        ("agent", partial(_begin_agent_record, Path(security.socket))),
    ):
        try:
            report(f"record of the {name}: {lower()}")
        except WarrenError as error:
            failed.append(error)
            warn(f"record of the {name}: {error}")
    if failed:
        raise failed[0]


def _begin_agent_record(socket: Path) -> str:
    return f"begins at {request(socket, 'begin_record')['begun']}"


@command.command(
    examples=(
        f"warren command sign list_users {KEYS} \\",
        "    --challenge challenge.json --output command.jws",
    )
)
@signing_options
@click.option(
    "--challenge",
    "challenge_file",
    metavar="FILE",
    type=PATH,
    required=True,
    help="Output of `warren command challenge`.",
)
@click.option(
    "-o", "--output", cls=Option, metavar="FILE", type=PATH, help="Write to FILE.", default_text="standard output"
)
def sign(
    verb: str,
    arguments: tuple[str, ...],
    signers: Signers,
    challenge_file: Path,
    output: Path | None,
) -> None:
    """Sign a command with an operator key and a dispatch key.

    NAME=VALUE sets an argument. NAME=@FILE reads it from a file. NAME alone prompts for it, or reads a line of standard
    input. A secret argument is never accepted as NAME=VALUE; it is sealed to the node's key. `warren verbs` lists the
    verbs and their arguments.
    """
    node = parse_challenge(_read_text(challenge_file))
    envelope = sign_for(VERBS[verb], arguments, signers, node)
    if output is None:
        write(f"{envelope}\n")
    else:
        _write_text(output, envelope)


@command.command(
    examples=(
        "warren command submit command.jws",
        "warren command submit command.jws --dry-run",
    )
)
@click.argument("file", type=PATH)
@click.option(
    "--operator",
    cls=Option,
    metavar="FILE",
    type=PATH,
    help="Operator key that decrypts secret result fields.",
    default_text="none",
)
@click.option("--dry-run", is_flag=True, help="Show the effects only; the nonce is not consumed.")
@socket_option
@json_option
def submit(file: Path, operator: Path | None, dry_run: bool, socket: Path, as_json: bool) -> None:
    """Submit a signed command and show its result.

    Exit status: 0 the result is SUCCESS, 1 any other result or an error.
    """
    envelope = _read_text(file).strip()
    if dry_run:
        _show_dry_run(request(socket, "dry_run", config={"envelope": envelope}), as_json)
    else:
        _submit(socket, envelope, operator, as_json)


@command.command(
    examples=(
        f"warren command run get_system_health {KEYS}",
        f"warren command run delete_user username=bob {KEYS} --dry-run",
    )
)
@signing_options
@click.option("--dry-run", is_flag=True, help="Show the effects only.")
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
    """Sign and submit a command in one step.

    It combines `challenge`, `sign` and `submit` where the keys are on the node.

    Exit status: 0 the result is SUCCESS, 1 any other result or an error.
    """
    node = checked_challenge(request(socket, "challenge"))
    envelope = sign_for(VERBS[verb], arguments, signers, node)
    if dry_run:
        _show_dry_run(request(socket, "dry_run", config={"envelope": envelope}), as_json)
    else:
        _submit(socket, envelope, signers.operator, as_json)


@command.command(examples=("warren command cancel 0b9d3c1e-8b8f-4d6a-9d2c-1f3a5b7c9d0e",))
@click.argument("corr_id")
@socket_option
def cancel(corr_id: str, socket: Path) -> None:
    """Cancel a running command.

    All processes that it started are killed.
    """
    if not request(socket, "cancel", config={"corr_id": corr_id})["cancelled"]:
        report(f"{corr_id} is not running")
        sys.exit(FAILED)
    write(f"cancelling {corr_id}\n")


def _submit(socket: Path, envelope: str, operator: Path | None, as_json: bool) -> None:
    node = checked_challenge(request(socket, "challenge"))
    with follow_output(socket, envelope, show=not as_json):
        answer = request(socket, "command", config={"envelope": envelope}, timeout=TIMEOUT_SECONDS)
    result = _verified(answer, node)
    keys = None if operator is None else read_keyset(operator)
    if keys is not None and keys.sealing is not None:
        scope = SecretScope(node["cluster"], node["agent_id"], result.verb, keys.id, result.corr_id)
        data: Mapping[str, object] = open_data(result.data, scope, keys.sealing)
    else:
        data = result.data
    write(_as_json(result, data) if as_json else _as_text(result, data))
    if result.status is not Status.SUCCESS:
        sys.exit(FAILED)


def _verified(answer: Mapping[str, object], node: Mapping[str, str]) -> Result:
    """Return the result in an answer, verified with the node's key. Raises RemoteError."""
    match answer:
        case {"jws": str(jws), "result": {"corr_id": str(corr_id)}}:
            try:
                key = VerifyingKey.from_x(node["signing"])
                return validate_result(jws, key, cluster=node["cluster"], agent_id=node["agent_id"], corr_id=corr_id)
            except (JwsError, ValueError) as error:
                raise RemoteError(f"the result is not signed by the node: {error}", code="agent.failed") from error
    raise RemoteError("unexpected response from the agent", code="agent.failed")


def _as_json(result: Result, data: Mapping[str, object]) -> str:
    return json.dumps({**result_members(result), "data": dict(data)}, indent=2) + "\n"


def _as_text(result: Result, data: Mapping[str, object]) -> str:
    code = "" if result.status is Status.SUCCESS else f" {result.error_code}: {visible_line(result.problem)}"
    if result.corr_id == UNKNOWN:  # the envelope was not verified, so its name is not known
        return f"{result.status}{code}\n"
    lines = [f"{result.verb} {result.status}{code}", f"  corr_id: {result.corr_id}"]
    if result.status is not Status.DENIED:
        lines.append(f"  took {result.duration_ms} ms, sandbox {result.level}")
    lines += [
        f"  {visible_line(name)}: {_indented(value) if isinstance(value, str) else json.dumps(value)}"
        for name, value in data.items()
    ]
    return "".join(f"{line}\n" for line in lines)


def _indented(text: str) -> str:
    """Return a text that may have several lines, none of which looks like the next field or a result."""
    return text.rstrip("\n").replace("\n", f"\n{CONTINUATION}")


def _show_dry_run(answer: Mapping[str, object], as_json: bool) -> None:
    effects = answer.get("effects")
    lines = [str(effect) for effect in effects] if isinstance(effects, list) else []
    if problem := answer.get("problem"):
        lines.append(f"would fail: {problem}")
    write(json.dumps(answer, indent=2) + "\n" if as_json else "".join(f"{visible_line(line)}\n" for line in lines))


def _read_text(path: Path) -> str:
    try:
        if str(path) == "-":
            return sys.stdin.read(MAX_BYTES + 2)
        return read_named(path, MAX_BYTES + 2).decode("ascii", "replace")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", code="command.unusable", errno=error.errno) from error


def _write_text(path: Path, envelope: str) -> None:
    try:
        write_output(path, f"{envelope}\n".encode("ascii"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", code="command.unusable", errno=error.errno) from error
