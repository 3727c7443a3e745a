"""The identity of a node: its keys in a directory that only root changes.

    node.jwks      name and signing key, for the agent's user
    sealing.jwks   name and sealing key, for root alone

If another user makes the identity, there is no runner, and `node.jwks` has the sealing key too.

The agent reads `node.jwks` and could write another name into it. So root believes nothing of that file: what a
process of root's needs to know of the node is in `sealing.jwks`, which root wrote when it made the identity.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from warren.errors import KeyFileError, TrustError
from warren.files.atomic import replace_file
from warren.files.key_file import ROOT, Owners
from warren.files.make_directory import make_directory
from warren.files.trusted_path import ROOT_PATH_TRUST, process_trust
from warren.jws import KEY_BYTES, SigningKey
from warren.trust.identity import NodeIdentity, PinnedNode, check_agent_id
from warren.trust.io.keyset_file import MODE, create_keyset, read_key_octets, read_keyset
from warren.trust.keyset import encode_keyset, encode_node_keys, encode_sealing_key, parse_sealing_key
from warren.trust.sealing import SealingKey

FILE, SEALING_FILE = "node.jwks", "sealing.jwks"
DIRECTORY_MODE = 0o755  # without a user of the agent's: what is secret there has its own mode
GROUP_DIRECTORY_MODE = 0o750


def read_identity(directory: Path, owners: Owners = None) -> NodeIdentity:
    """Return the identity of this node as its agent reads it; root accepts a file of `owners` only.

    Raises TrustError, KeyFileError and UntrustedPathError.
    """
    path = directory / FILE
    if not path.exists():
        raise TrustError(f"{path} does not exist: this node has no identity", code="identity.missing")
    keys = read_keyset(path, owners, trust=process_trust(*(owners or ())))
    if keys.sealing_public is None:
        raise TrustError(f"{path} has no key to decrypt secrets with", code="identity.invalid")
    return NodeIdentity(_checked(path, keys.id), keys.signing, keys.sealing_public, keys.sealing)


def read_pinned_node(directory: Path) -> PinnedNode:
    """Return what root has recorded of this node. Raises TrustError, KeyFileError and UntrustedPathError."""
    path = directory / SEALING_FILE
    if not path.exists():
        problem = f"{path} does not exist: root has not made the identity of this node"
        hint = f"as root: rm -f {directory / FILE} && warren identity init"
        raise TrustError(problem, code="identity.missing", hint=hint)
    octets = read_key_octets(path, trust=ROOT_PATH_TRUST)
    try:
        name, sealing = parse_sealing_key(octets)
    except ValueError as error:
        raise TrustError(f"{path} holds no sealing key: {error}", code="trust.invalid_key") from None
    return PinnedNode(_checked(path, name), sealing)


def make_identity(directory: Path, agent_id: str, owner: tuple[int, int] | None = None) -> NodeIdentity:
    """Create new keys for a node. `owner` is the user and group of the agent.

    Root records name and sealing key for itself as well. A kill in between leaves no identity, and the next call makes
    one. Raises TrustError, KeyFileError and UntrustedPathError.
    """
    try:
        name = check_agent_id(agent_id)
    except ValueError as error:
        raise TrustError(f"{agent_id!r}: {error}", code="identity.invalid", hint="set a valid name with --id") from None
    signing, sealing, trust = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES), process_trust()
    path, public = directory / FILE, SealingKey(sealing).public
    _make_directory(directory, owner)
    try:
        own = encode_keyset(name, signing, sealing)
        if trust is not None:
            own = encode_node_keys(name, signing, public)
            if not path.exists():
                _record_for_root(directory / SEALING_FILE, encode_sealing_key(name, sealing))
        create_keyset(path, own, trust=trust, owner=owner)
    except KeyFileError as error:
        if error.code != "key_file.exists":
            raise
        problem = f"{directory}: this node already has an identity"
        raise TrustError(problem, code="identity.exists", errno=error.errno) from error
    return NodeIdentity(name, SigningKey(signing), public, SealingKey(sealing))


def _make_directory(directory: Path, owner: tuple[int, int] | None) -> None:
    try:
        if owner is None or process_trust() is None:
            make_directory(directory, DIRECTORY_MODE, trust=process_trust(), exact_mode=True)
        else:
            make_directory(directory, GROUP_DIRECTORY_MODE, trust=process_trust(), owner=(ROOT, owner[1]))
    except OSError as error:
        raise KeyFileError(f"{directory}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error


def _record_for_root(path: Path, octets: bytes) -> None:
    try:
        replace_file(path, octets, MODE, trust=ROOT_PATH_TRUST)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}", code="key_file.unusable", errno=error.errno) from error


def _checked(path: Path, name: str) -> str:
    try:
        return check_agent_id(name)
    except ValueError as error:
        raise TrustError(f"{path}: {name!r}: {error}", code="identity.invalid") from None
