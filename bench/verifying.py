"""Commands verified a second: a part of `make bench-commands`.

A command that changes state has two signatures, its own and the intent's. Its floor is what the library takes for two
Ed25519 verifications of the same octets and nothing else. The contestants take turns, and what counts is the time that
a processor spent on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from secrets import token_bytes
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from warren.commands.command import Actor
from warren.commands.schema import Schema, Text
from warren.commands.signing import CommandEnvelope, Delivery, sign_command, sign_intent
from warren.commands.verb import Verb
from warren.commands.verify import Context, verify_command
from warren.jws import KEY_BYTES, SigningKey, from_base64url
from warren.trust.bundle import TrustBundle
from warren.trust.principals import KeyEntry, Operator

NOW = 1_767_225_600
NODE, SID = "gateway-001", "session-of-the-bench"
TURN_SECONDS = 0.25
WHOLE, READING, FLOOR = "a command with its intent", "a command that reads", "two signatures alone"

Turn = Callable[[], None]


def verifications(turns: int = 20) -> Mapping[str, float]:
    """How many a second of one processor, by name: the median of the turns, of a quarter second each."""
    contestants = _contestants()
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, turn in contestants.items():
            rates[name].append(_rate(turn))
    return {name: median(each) for name, each in rates.items()}


def _rate(turn: Turn) -> float:
    count, begun = 0, time.process_time()
    while (now := time.process_time()) - begun < TURN_SECONDS:
        turn()
        count += 1
    return count / (now - begun)


def _contestants() -> Mapping[str, Turn]:
    root, dispatcher, alice = (SigningKey(token_bytes(KEY_BYTES)) for _ in range(3))
    bundle = TrustBundle(
        cluster="bench",
        version=1,
        policy_id="policy-1",
        issued=NOW,
        expires=NOW + 86_400,
        roots=(root.public,),
        dispatch=(KeyEntry(dispatcher.public),),
        operators={"alice": Operator("alice", ("ADMIN",), alice.public, token_bytes(KEY_BYTES))},
        roles={"ADMIN": frozenset({"stop_container", "list_users"})},
    )
    stop = Verb("stop_container", "", (Schema({"container_id": Text("[0-9a-f]{12,64}", "an id")}),))
    reads = Verb("list_users", "", (Schema(),), read_only=True)
    verbs = {verb.name: verb for verb in (stop, reads)}
    context = Context(NODE, bundle, "local", SID, NOW, exec_enable=True, verbs=verbs)
    ask = CommandEnvelope(
        "stop_container", {"container_id": "0123456789ab"}, Actor("alice", "ADMIN"), "policy-1", (NODE,), "bench"
    )
    intent = sign_intent(ask, alice, iat=NOW, exp=NOW + 3600)
    sending = Delivery("local", SID, NOW)
    whole = sign_command(replace(ask, intent=intent), dispatcher, sending)
    reading = sign_command(replace(ask, verb="list_users", args={}), dispatcher, sending)
    pairs = ((dispatcher, whole), (alice, intent))
    checks = [_check(key.public.octets, token) for key, token in pairs]
    return {
        WHOLE: lambda: _verify(whole, context),
        READING: lambda: _verify(reading, context),
        FLOOR: lambda: _all(checks),
    }


def _all(checks: Sequence[Turn]) -> None:
    for check in checks:
        check()


def _verify(text: str, context: Context) -> None:
    verify_command(text, context)


def _check(octets: bytes, token: str) -> Turn:
    key = Ed25519PublicKey.from_public_bytes(octets)
    signed, _, signature = token.rpartition(".")
    message, proof = signed.encode(), from_base64url(signature)
    return lambda: key.verify(proof, message)
