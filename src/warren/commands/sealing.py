"""Secret arguments and answer fields: sealed on the wire, opened where the verb runs.

A sealed value is `{"sealed": TEXT}` in place of the text (docs/protocol/secrets.md). An argument is sealed to the node,
a field of an answer to the operator. The schema of the verb decides which values are secret, never their name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from warren.commands.command import VerifiedCommand
from warren.commands.result import Code, CommandError, Status
from warren.commands.schema import Schema, choose
from warren.commands.verb import Data, Verb
from warren.jws import from_base64url
from warren.trust.sealing import OVERHEAD_BYTES, SealingKey, SecretScope, purpose, seal

SEALED = "sealed"
MAX_CHARACTERS = 16_384  # a private key of RSA 8192 in PEM has 6,400 octets
PLAINTEXT_TRANSPORTS = frozenset({"http"})
"""Clients on these send secrets in plain, inside TLS that ends at the node."""
ARGUMENT = "arg"
DATA = "data"

Unseal = Callable[[str, bytes], bytes]
"""Opens a sealed argument, given its text and its `info`. Raises ValueError."""
SealingKeyOf = Callable[[str], bytes | None]
"""Returns an operator's X25519 key by id, to which secret fields of an answer are sealed."""


def check_args(schemas: Sequence[Schema], args: Mapping[str, object], transport: str) -> Schema:
    """Return the schema that the arguments fit; secrets must be sealed, except on `PLAINTEXT_TRANSPORTS`.

    Raises:
        CommandError: VALIDATION_FAILED.
    """
    seal_data = {name for name in secret_names(schemas) if name in args and _is_sealed(args[name])}
    schema = choose(schemas, args, seal_data)
    if not seal_data <= schema.secrets:
        choose([schema], args, seal_data & schema.secrets)  # a secret of another variant is not one here
    if transport not in PLAINTEXT_TRANSPORTS and (plain := sorted(schema.secrets & set(args) - seal_data)):
        problem = f"{', '.join(plain)}: expected it sealed to this node's key, as {{{SEALED!r}: TEXT}}"
        raise CommandError(Code.VALIDATION_FAILED, problem)
    return schema


def secret_names(schemas: Iterable[Schema]) -> frozenset[str]:
    """Return the names of the secret arguments of all variants of a verb."""
    return frozenset(name for schema in schemas for name in schema.secrets)


def seal_members(
    members: Mapping[str, object], names: Collection[str], public: bytes, scope: SecretScope, kind: str
) -> dict[str, object]:
    """Return a copy in which the texts of these names are sealed; `kind` is ARGUMENT or DATA."""
    return {
        name: {SEALED: seal(str(value).encode(), public, purpose(kind, scope, name))} if name in names else value
        for name, value in members.items()
    }


def unsealer(key: SealingKey) -> Unseal:
    """Return the function that opens arguments sealed to this node's key."""
    return key.unseal


def refuse_to_open(_: str, __: bytes) -> bytes:
    """Raise CommandError: this process has no key that opens arguments."""
    problem = "secret arguments are sealed to the key of the privileged runner, and this process is not the runner"
    raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)


def open_args(command: VerifiedCommand, verb: Verb, unseal: Unseal) -> dict[str, object]:
    """Return all arguments in plain.

    Raises:
        CommandError: VALIDATION_FAILED for one that is not sealed to this node for this command.
    """
    secret = secret_names(verb.schemas)
    return {
        name: _open_arg(name, value, command.secret_scope(), unseal) if name in secret else value
        for name, value in command.args.items()
    }


def seal_data(command: VerifiedCommand, verb: Verb, data: Data, key_of: SealingKeyOf) -> dict[str, object]:
    """Return an answer with its secret fields sealed to the operator.

    Raises:
        CommandError: EXEC_FAILED if the operator has no key to seal them to.
    """
    secret = {name for name in verb.secret_data & set(data) if not isinstance(data[name], Mapping)}
    if not secret:
        return dict(data)
    key = key_of(command.actor.id) if command.has_intent else None
    if key is None:
        problem = f"{', '.join(sorted(secret))}: secret, and {command.actor.id} has no key to seal it to"
        raise CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
    return seal_members(data, secret, key, command.secret_scope(), DATA)


def open_data(data: Mapping[str, object], scope: SecretScope, key: SealingKey) -> dict[str, object]:
    """Return an answer with its secret fields in plain, for the operator.

    Raises:
        ValueError: a field is sealed to another key.
    """
    return {name: _open_field(value, name, scope, key) if _is_sealed(value) else value for name, value in data.items()}


def _open_arg(name: str, value: object, scope: SecretScope, unseal: Unseal) -> object:
    match value:
        case {"sealed": str(text)}:
            try:
                return unseal(text, purpose(ARGUMENT, scope, name)).decode()
            except ValueError:
                problem = f"{name}: not sealed to this node for this command"
                raise CommandError(Code.VALIDATION_FAILED, problem) from None
    return value


def _open_field(value: object, name: str, scope: SecretScope, key: SealingKey) -> str:
    match value:
        case {"sealed": str(text)}:
            return key.unseal(text, purpose(DATA, scope, name)).decode()
    raise ValueError(f"{name}: not sealed")


def _is_sealed(value: object) -> bool:
    match value:
        case {"sealed": str(text)} if value == {SEALED: text} and len(text) <= MAX_CHARACTERS:
            try:
                return len(from_base64url(text)) >= OVERHEAD_BYTES
            except ValueError:
                return False
    return False
