"""An agent that runs signed commands, and everybody who signs them."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.trust.parties import ALICE, ALICE_SEALING, BUNDLE, DISPATCHER, ROOT, STOP
from warren.clock import wall_seconds
from warren.commands.envelope import TYPE
from warren.commands.registry import VERBS
from warren.commands.result import Result
from warren.commands.schema import nearest
from warren.commands.sealing import ARGUMENT, open_data, seal_members
from warren.commands.signing import CommandEnvelope, Delivery, sign_command, sign_intent, validate_result
from warren.commands.store.command_store import initialize_store
from warren.jws import VerifyingKey, from_base64url, payload_of
from warren.localapi.io import client
from warren.strictjson import parse_object
from warren.trust.bundle_verify import sign_bundle
from warren.trust.io.bundle_file import install_bundle
from warren.trust.io.identity_file import make_identity
from warren.trust.sealing import SecretScope

from .agent import USER, Agent

NODE = "gateway-001"
AN_HOUR = 3600  # for which the record of used commands has been kept already


@dataclass
class Commanded:
    """The operator's side of one agent."""

    agent: Agent
    challenge: Mapping[str, Any] = field(default_factory=dict)

    def prepare(self, *tables: str, enabled: bool = True) -> None:
        """A node with an identity, a trust bundle and a configuration."""
        state = self.agent.directory / "var/lib/warren"
        user = pwd.getpwnam(USER)
        make_identity(state / "identity", NODE, (user.pw_uid, user.pw_gid))
        self.trust()
        for name, uid in (("commands", user.pw_uid), ("runner", 0)):
            (state / name).mkdir(mode=0o700)
            initialize_store(state / name, wall_seconds() - AN_HOUR)
            for path in (state / name, *(state / name).iterdir()):
                os.chown(path, uid, user.pw_gid if uid else 0)
        self.configure(*tables, enabled=enabled)

    def configure(self, *tables: str, enabled: bool) -> None:
        """A configuration with the root pinned."""
        security = f'[security]\nroot = ["{ROOT.public.kid}"]\nexec_enable = {str(enabled).lower()}'
        self.agent.configure(head="\n".join((security, *tables)))

    def trust(self, version: int = 1, **changes: Any) -> None:
        """Installs a bundle in which alice may do everything."""
        now = int(wall_seconds())
        bundle = replace(
            BUNDLE,
            version=version,
            issued=now,
            expires=now + AN_HOUR,
            roles={"ADMIN": frozenset(VERBS), "VIEWER": frozenset({"get_system_health"})},
            levels={},
            **changes,
        )
        path = self.agent.directory / "var/lib/warren/identity/trust.jws"
        install_bundle(path, sign_bundle(bundle, ROOT), [ROOT.public.kid])

    def start(self) -> None:
        """Until it answers."""
        self.agent.start()
        self.challenge = self.ask("challenge")

    @property
    def socket(self) -> Path:
        return self.agent.directory / "run/warren/agent.sock"

    def ask(self, action: str, **config: object) -> dict[str, Any]:
        """Over the control socket, as root."""
        return client.request(self.socket, action, config=config or None, timeout=120)

    def envelope(self, verb: str, corr_id: str | None = None, nonce: str | None = None, **args: object) -> str:
        """Alice's word, dispatched for the transport `local`; secret arguments are sealed."""
        now = int(wall_seconds())
        secret = nearest(VERBS[verb].schemas, args).secrets if verb in VERBS else frozenset()
        number = corr_id or str(uuid.uuid4())
        public = from_base64url(str(self.challenge["sealing"]))
        scope = SecretScope(BUNDLE.cluster, NODE, verb, STOP.actor.id, number)
        command = CommandEnvelope(
            verb=verb,
            args=seal_members(args, secret, public, scope, ARGUMENT),
            actor=STOP.actor,
            policy_id=BUNDLE.policy_id,
            targets=(NODE,),
            cluster=BUNDLE.cluster,
            corr_id=number,
        )
        intended = replace(command, intent=sign_intent(command, ALICE, iat=now, exp=now + 300))
        sending = Delivery("local", str(self.challenge["sid"]), now)
        return sign_command(intended, DISPATCHER, replace(sending, nonce=nonce) if nonce else sending)

    def opened(self, result: Result) -> dict[str, object]:
        """The answer, as alice reads it."""
        scope = SecretScope(BUNDLE.cluster, NODE, result.verb, STOP.actor.id, result.corr_id)
        return open_data(result.data, scope, ALICE_SEALING)

    def again(self, envelope: str) -> str:
        """The same word of the operator's, sent once more: by a number and for a session of now."""
        now = int(wall_seconds())
        members = parse_object(from_base64url(envelope.split(".")[1]))
        members |= {"nonce": secrets.token_urlsafe(16), "sid": self.challenge["sid"], "iat": now, "exp": now + 60}
        return DISPATCHER.sign(payload_of(members), TYPE)

    def submit(self, envelope: str) -> Result:
        """What became of it, by the node's own signature."""
        answer = self.ask("command", envelope=envelope)
        key = VerifyingKey.from_x(str(self.challenge["signing"]))
        return validate_result(
            answer["jws"],
            key,
            cluster=str(self.challenge["cluster"] or ""),
            agent_id=NODE,
            corr_id=answer["result"]["corr_id"],
        )

    def run(self, verb: str, **args: object) -> Result:
        """A command of its own."""
        return self.submit(self.envelope(verb, None, None, **args))

    def audit(self) -> list[dict[str, Any]]:
        """Its log."""
        log = self.agent.directory / "var/lib/warren/audit/audit.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["event"] != "store.initialized"]
