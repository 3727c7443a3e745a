"""Who a node is: its name and the keys by which it answers and opens what is sealed to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from warren.jws import SigningKey, to_base64url
from warren.trust.sealing import SealingKey

AGENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ABOUT_AGENT_ID = "1 to 64 of A-Z a-z 0-9 _ -"


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Read from the node's files; its repr shows public keys alone."""

    agent_id: str
    signing: SigningKey
    """Of results and checkpoints."""
    sealing: SealingKey

    def document(self) -> dict[str, str]:
        """What the operator and the controller are told: nothing secret."""
        return {
            "agent_id": self.agent_id,
            "kid": self.signing.public.kid,
            "signing": self.signing.public.x,
            "sealing": to_base64url(self.sealing.public),
        }


def agent_id_of(host: str) -> str:
    """The name of a node by its host's: dots become hyphens, what else may not stand there goes. Raises ValueError."""
    found = re.sub(r"[^A-Za-z0-9_-]", "", host.replace(".", "-"))[:64]
    return check_agent_id(found)


def check_agent_id(name: str) -> str:
    """The name. Raises ValueError."""
    if not AGENT_ID.fullmatch(name):
        raise ValueError(f"is no name of a node; expected {ABOUT_AGENT_ID}")
    return name
