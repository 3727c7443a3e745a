"""The identity of a node: its name, and the keys that sign its results and open what is sealed to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from warren.jws import SigningKey, to_base64url
from warren.trust.sealing import SealingKey

AGENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ABOUT_AGENT_ID = "1 to 64 of A-Z a-z 0-9 _ -"


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """The name and the private keys of a node. Its repr shows public keys only."""

    agent_id: str
    signing: SigningKey
    """Signs results and checkpoints."""
    sealing_public: bytes
    """The X25519 key to which arguments are sealed."""
    sealing: SealingKey | None = None
    """Opens them; None where that key is root's, for the privileged runner alone."""

    def document(self) -> dict[str, str]:
        """Return the public part, for operators and the controller."""
        return {
            "agent_id": self.agent_id,
            "kid": self.signing.public.kid,
            "signing": self.signing.public.x,
            "sealing": to_base64url(self.sealing_public),
        }


@dataclass(frozen=True, slots=True)
class PinnedNode:
    """The part of a node's identity that root relies on: its name, and the key that opens what is sealed to it."""

    agent_id: str
    sealing: SealingKey


def agent_id_from_host(host: str) -> str:
    """Return a node name for a host name: dots become hyphens, other invalid characters are removed.

    Raises:
        ValueError: no valid character is left.
    """
    return check_agent_id(re.sub(r"[^A-Za-z0-9_-]", "", host.replace(".", "-"))[:64])


def check_agent_id(name: str) -> str:
    """Return a valid node name. Raises ValueError for any other."""
    if not AGENT_ID.fullmatch(name):
        raise ValueError(f"invalid node name; expected {ABOUT_AGENT_ID}")
    return name
