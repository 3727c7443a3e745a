"""The identity of a node: `node.jwks` in its directory, which only the agent's user can read."""

from __future__ import annotations

from pathlib import Path

from warren.errors import KeyFileError, TrustError
from warren.files.directory import make_directory
from warren.files.key_file import Owners
from warren.trust.identity import NodeIdentity, check_agent_id
from warren.trust.io.keyset_file import make_keyset, read_keyset

FILE = "node.jwks"
DIRECTORY_MODE = 0o755  # all may read the trust bundle in it; what is secret there has its own mode


def read_identity(directory: Path, owners: Owners = None) -> NodeIdentity:
    """Return the identity of this node. Raises TrustError and KeyFileError."""
    path = directory / FILE
    if not path.exists():
        raise TrustError(f"{path} does not exist: this node has no identity", code="identity.missing")
    keys = read_keyset(path, owners)
    if keys.sealing is None:
        raise TrustError(f"{path} has no key to decrypt secrets with", code="identity.invalid")
    try:
        return NodeIdentity(check_agent_id(keys.id), keys.signing, keys.sealing)
    except ValueError as error:
        raise TrustError(f"{path}: {keys.id!r}: {error}", code="identity.invalid") from None


def make_identity(directory: Path, agent_id: str, owner: tuple[int, int] | None = None) -> NodeIdentity:
    """Create new keys for a node. `owner` is the user and group of the agent. Raises TrustError and KeyFileError."""
    try:
        make_directory(directory, DIRECTORY_MODE, exact_mode=True)
    except OSError as error:
        raise KeyFileError(f"{directory}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error
    try:
        make_keyset(directory / FILE, check_agent_id(agent_id), owner=owner)
    except ValueError as error:
        raise TrustError(f"{agent_id!r}: {error}", code="identity.invalid", hint="set a valid name with --id") from None
    except KeyFileError as error:
        if error.code != "key_file.exists":
            raise
        problem = f"{directory}: this node already has an identity"
        raise TrustError(problem, code="identity.exists", errno=error.errno) from error
    return read_identity(directory)
