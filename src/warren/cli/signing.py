"""Sign a command for one node, with an operator key and a dispatch key."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from warren.cli.arguments import read_arguments
from warren.clock import wall_seconds
from warren.commands.command import Actor
from warren.commands.registry import VERBS
from warren.commands.schema import nearest
from warren.commands.sealing import ARGUMENT, seal_members
from warren.commands.signing import CommandEnvelope, Delivery, sign_command, sign_intent
from warren.commands.verb import Verb
from warren.errors import InputError, TrustError
from warren.jws import from_base64url
from warren.trust.io.keyset_file import read_keyset

INTENT_LIFETIME_SECONDS = 300
PATH = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Signers:
    """The key files that sign a command, and the operator's role."""

    operator: Path
    dispatch: Path
    role: str


def signing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add VERB and its arguments, and `--operator`, `--dispatch`, `--role`, passed together as `signers`."""

    @functools.wraps(command)
    def with_signers(*args: object, operator: Path, dispatch: Path, role: str, **others: object) -> None:
        command(*args, signers=Signers(operator, dispatch, role), **others)

    for option in (
        click.option("--role", default="ADMIN", help="Role to act in."),
        click.option(
            "--dispatch", metavar="FILE", type=PATH, required=True, help="Dispatch key that signs the command."
        ),
        click.option(
            "--operator", metavar="FILE", type=PATH, required=True, help="Operator key that signs the intent."
        ),
        click.argument("arguments", nargs=-1, metavar="[NAME=VALUE | NAME=@FILE | NAME]..."),
        click.argument("verb", type=click.Choice([*VERBS]), metavar="VERB"),
    ):
        with_signers = option(with_signers)
    return with_signers


def sign_for(verb: Verb, words: tuple[str, ...], signers: Signers, challenge: Mapping[str, str]) -> str:
    """Return the signed envelope. Raises InputError, KeyFileError, TrustError."""
    operator, dispatcher = read_keyset(signers.operator), read_keyset(signers.dispatch)
    args = read_arguments(verb, words)
    actor, targets = Actor(operator.id, signers.role), (challenge["agent_id"],)
    command = CommandEnvelope(verb.name, args, actor, challenge["policy_id"], targets, challenge["cluster"])
    secret, public = nearest(verb.schemas, args).secrets, from_base64url(challenge["sealing"])
    now = int(wall_seconds())
    try:
        command = replace(command, args=seal_members(args, secret, public, command.secret_scope(), ARGUMENT))
        intent = sign_intent(
            command,
            operator.signing,
            iat=now,
            exp=now + INTENT_LIFETIME_SECONDS,
            bundle_min=int(challenge["bundle_version"]),
        )
        command = replace(command, intent=intent)
        return sign_command(command, dispatcher.signing, Delivery(challenge["transport"], challenge["sid"], now))
    except ValueError as error:
        raise InputError(str(error), code="command.malformed") from error


def parse_challenge(text: str) -> Mapping[str, str]:
    """Parse the output of `warren command challenge`. Raises InputError, TrustError."""
    try:
        members = json.loads(text)
    except ValueError:
        members = None
    return checked_challenge(members if isinstance(members, dict) else {})


def checked_challenge(members: Mapping[str, object]) -> Mapping[str, str]:
    """Check the members of a challenge. Raises InputError, TrustError."""
    names = ("agent_id", "transport", "sid", "sealing", "signing")
    problem = "invalid challenge; expected the output of `warren command challenge` on the node"
    if not all(isinstance(members.get(name), str) for name in names):
        raise InputError(problem, code="command.malformed")
    if not isinstance(members.get("policy_id"), str):
        raise TrustError("no trust bundle is installed on that node", code="trust.missing")
    if not isinstance(members.get("cluster"), str) or not isinstance(members.get("bundle_version"), int):
        raise InputError(problem, code="command.malformed")
    return {name: str(members[name]) for name in (*names, "policy_id", "cluster", "bundle_version")}
