"""Signing a command for one node, by the keys of who says it and of who sends it."""

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
from warren.commands.sealed import ARGUMENT, seal_members
from warren.commands.signing import CommandEnvelope, Delivery, sign_command, sign_intent
from warren.commands.verbs import Verb
from warren.errors import InputError, TrustError
from warren.jws import from_base64url
from warren.trust.io.keyset_file import read_keyset

INTENT_SECONDS = 300
PATH = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Signers:
    """Where their keys are, and in which of their roles an operator speaks."""

    operator: Path
    dispatch: Path
    role: str


def signing_options(command: Callable[..., None]) -> Callable[..., None]:
    """VERB and its arguments, and `--operator`, `--dispatch`, `--role` as the one `signers`."""

    @functools.wraps(command)
    def gathered(*args: object, operator: Path, dispatch: Path, role: str, **others: object) -> None:
        command(*args, signers=Signers(operator, dispatch, role), **others)

    for option in (
        click.option("--role", default="ADMIN", show_default=True, help="In which of the operator's roles."),
        click.option("--dispatch", metavar="FILE", type=PATH, required=True, help="The key that sends commands."),
        click.option("--operator", metavar="FILE", type=PATH, required=True, help="The key of whose word it is."),
        click.argument("arguments", nargs=-1, metavar="[NAME=VALUE | NAME=@FILE | NAME]..."),
        click.argument("verb", type=click.Choice([*VERBS]), metavar="VERB"),
    ):
        gathered = option(gathered)
    return gathered


def sign_for(verb: Verb, words: tuple[str, ...], signers: Signers, challenge: Mapping[str, str]) -> str:
    """The envelope. Raises InputError, KeyFileError, TrustError."""
    who, dispatcher = read_keyset(signers.operator), read_keyset(signers.dispatch)
    args = read_arguments(verb, words)
    asked = CommandEnvelope(
        verb.name, args, Actor(who.id, signers.role), challenge["policy_id"], (challenge["agent_id"],)
    )
    secret, public = nearest(verb.schemas, args).secrets, from_base64url(challenge["sealing"])
    now = int(wall_seconds())
    try:
        asked = replace(asked, args=seal_members(args, secret, public, asked.corr_id, ARGUMENT))
        asked = replace(asked, intent=sign_intent(asked, who.signing, exp=now + INTENT_SECONDS))
        return sign_command(asked, dispatcher.signing, Delivery(challenge["transport"], challenge["sid"], now))
    except ValueError as error:
        raise InputError(str(error), code="command.malformed") from error


def parse_challenge(text: str) -> Mapping[str, str]:
    """What `warren command challenge` has printed. Raises InputError, TrustError."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return checked_challenge(found if isinstance(found, dict) else {})


def checked_challenge(found: Mapping[str, object]) -> Mapping[str, str]:
    """What a node answered. Raises InputError, TrustError."""
    names = ("agent_id", "transport", "sid", "sealing", "signing")
    if not all(isinstance(found.get(name), str) for name in names):
        problem = "that is no challenge; expected what `warren command challenge` has printed on the node"
        raise InputError(problem, code="command.malformed")
    if not isinstance(found.get("policy_id"), str):
        raise TrustError("no trust bundle is installed on that node", code="trust.missing")
    return {name: str(found[name]) for name in (*names, "policy_id")}
