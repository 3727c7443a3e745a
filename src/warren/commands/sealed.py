"""Secret arguments and fields of answers on their way: sealed to the one who carries out, or to the one who asked.

A sealed one is `{"sealed": TEXT}` in the place of the text (docs/protocol/secrets.md). Which they are says the
schema of the verb, never a name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from warren.commands.result import Code, CommandError
from warren.commands.schema import Schema, choose
from warren.jws import from_base64url
from warren.trust.sealing import OVERHEAD_BYTES, SealingKey, purpose, seal

SEALED = "sealed"
MAX_CHARACTERS = 16_384  # a private key of RSA 8192 in PEM has 6,400 octets
PLAINTEXT_TRANSPORTS = frozenset({"http"})
"""Clients on these send secrets in plain, inside TLS that ends at the node."""
ARGUMENT = "arg"
DATA = "data"


def check_args(schemas: Sequence[Schema], args: Mapping[str, object], transport: str) -> Schema:
    """Return the schema that the arguments fit; secrets must be sealed, except on `PLAINTEXT_TRANSPORTS`.

    Raises:
        CommandError: VALIDATION_FAILED.
    """
    sealed = {name for name in secret_names(schemas) if name in args and _is_sealed(args[name])}
    schema = choose(schemas, args, sealed)
    choose([schema], args, sealed & schema.secrets)  # a secret of another variant is none here
    if transport not in PLAINTEXT_TRANSPORTS and (plain := sorted(schema.secrets & set(args) - sealed)):
        problem = f"{', '.join(plain)}: expected it sealed to this node's key, as {{{SEALED!r}: TEXT}}"
        raise CommandError(Code.VALIDATION_FAILED, problem)
    return schema


def unsealer(key: SealingKey) -> Callable[[str, str, str], bytes]:
    """What opens a sealed argument: of its text, the corr_id and the argument's name. Raises ValueError."""
    return lambda text, corr_id, name: key.unseal(text, purpose(ARGUMENT, corr_id, name))


def seal_members(
    members: Mapping[str, object], names: Collection[str], public: bytes, corr_id: str, kind: str
) -> dict[str, object]:
    """A copy in which the texts of these names are sealed; `kind` is ARGUMENT or DATA."""
    return {
        name: {SEALED: seal(str(value).encode(), public, purpose(kind, corr_id, name))} if name in names else value
        for name, value in members.items()
    }


def open_data(data: Mapping[str, object], corr_id: str, key: SealingKey) -> dict[str, object]:
    """An answer with its secrets in the clear: for the operator. Raises ValueError where one is for somebody else."""
    return {name: _open(value, name, corr_id, key) if _is_sealed(value) else value for name, value in data.items()}


def secret_names(schemas: Iterable[Schema]) -> frozenset[str]:
    """Of all variants of a verb."""
    return frozenset(name for schema in schemas for name in schema.secrets)


def _open(value: object, name: str, corr_id: str, key: SealingKey) -> str:
    match value:
        case {"sealed": str(text)}:
            return key.unseal(text, purpose(DATA, corr_id, name)).decode()
    raise ValueError(f"{name}: is not sealed")


def _is_sealed(value: object) -> bool:
    match value:
        case {"sealed": str(text)} if value == {SEALED: text} and len(text) <= MAX_CHARACTERS:
            try:
                return len(from_base64url(text)) >= OVERHEAD_BYTES
            except ValueError:
                return False
    return False
