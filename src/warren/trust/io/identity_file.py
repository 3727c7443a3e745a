"""The identity of a node: `node.jwks` in its directory, which the agent's user reads and nobody else."""

from __future__ import annotations

from pathlib import Path

from warren.errors import KeyFileError, TrustError
from warren.files.atomic import make_directory
from warren.keys import Owners
from warren.trust.identity import NodeIdentity, check_agent_id
from warren.trust.io.keyset_file import make_keyset, read_keyset

FILE = "node.jwks"


def read_identity(directory: Path, owners: Owners = None) -> NodeIdentity:
    """Raises TrustError or KeyFileError."""
    path = directory / FILE
    if not path.exists():
        raise TrustError(f"{path}: this node has no identity", code="identity.missing")
    found = read_keyset(path, owners)
    if found.sealing is None:
        raise TrustError(f"{path}: has no key to open secrets with", code="identity.invalid")
    try:
        return NodeIdentity(check_agent_id(found.id), found.signing, found.sealing)
    except ValueError as error:
        raise TrustError(f"{path}: {found.id!r} {error}", code="identity.invalid") from None


def make_identity(directory: Path, agent_id: str, owner: tuple[int, int] | None = None) -> NodeIdentity:
    """New keys for a node; `owner` is the user and group that the agent runs as. Raises TrustError or KeyFileError."""
    try:
        make_directory(directory)  # what is in it and secret has its own mode; the trust bundle is for all to read
    except OSError as error:
        raise KeyFileError(f"{directory}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error
    try:
        make_keyset(directory / FILE, check_agent_id(agent_id), owner=owner)
    except ValueError as error:
        raise TrustError(f"{agent_id!r} {error}", code="identity.invalid", hint="give one as --id") from None
    except KeyFileError as error:
        if error.code != "key_file.exists":
            raise
        raise TrustError(
            f"{directory}: this node has an identity", code="identity.exists", errno=error.errno
        ) from error
    return read_identity(directory)
