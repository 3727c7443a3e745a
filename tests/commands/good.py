"""Commands that a node takes."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.commands.vectors import HEADER, Vector, approved, claims, dispatched, header_of, sealed, sent
from tests.trust.forge import forge
from tests.trust.parties import (
    BOB,
    BUNDLE,
    LIST,
    NEXT_DISPATCHER,
    NODE,
    NOW,
    OTHER_NODE,
    STOP,
    seed,
    with_intent,
)
from warren.commands.command import Actor
from warren.commands.intent import MAX_LIFE_SECONDS

CREATE = replace(
    STOP,
    verb="create_panel_user",
    args={"username": "user123", "password": sealed("securepass123", "password")},
)
WORD = with_intent(STOP)
EVERYWHERE = with_intent(replace(STOP, targets=(NODE.agent_id, OTHER_NODE.agent_id)))

PLAIN = with_intent(replace(CREATE, args={"username": "user123", "password": "securepass123"}))
ESCAPED = json.dumps(claims(WORD), indent=2).replace('"verb"', '"\\u0076erb"').encode()
REVERSED = dict(reversed(claims(WORD).items()))

SIXTEEN = [token for number in range(16) for token in approved(WORD, BOB, exp=NOW + 3600 + number).approvals]

GOOD: tuple[Vector, ...] = (
    Vector("it reads, and has no intent", sent(LIST)),
    Vector("it reads, and has an intent", sent(with_intent(LIST))),
    Vector(
        "it reads, in the name of somebody who is no operator",
        sent(LIST, actor={"id": "console", "role": "VIEWER"}),
    ),
    Vector("it changes state, by an operator's intent", sent(WORD)),
    Vector("a secret argument is sealed", sent(with_intent(CREATE))),
    Vector(
        "a secret argument is plain, at the transport that allows it",
        sent(PLAIN, transport="http"),
        here={"transport": "http"},
    ),
    Vector(
        "an operator with another role reads",
        sent(with_intent(replace(LIST, actor=Actor("bob", "VIEWER")), BOB)),
    ),
    Vector("the other dispatch key", forge(header_of(NEXT_DISPATCHER), claims(WORD), seed("next dispatcher"))),
    Vector("issued 60 s ago by this node's clock", sent(WORD, exp=NOW + 61), here={"now": NOW + 60}),
    Vector("issued in 60 s by this node's clock", sent(WORD), here={"now": NOW - 60}),
    Vector(
        "300 s of life, and the last second of an intent",
        sent(with_intent(STOP, exp=NOW + 1), exp=NOW + 300),
    ),
    Vector("an intent of seven days", sent(with_intent(STOP, exp=NOW + MAX_LIFE_SECONDS))),
    Vector("an intent issued in 60 s by this node's clock", sent(with_intent(STOP, iat=NOW + 60))),
    Vector(
        "the last second of an intent of seven days",
        sent(with_intent(STOP, iat=NOW + 1 - MAX_LIFE_SECONDS, exp=NOW + 1)),
    ),
    Vector(
        "one of two targets, of which the intent has both",
        sent(replace(EVERYWHERE, targets=(NODE.agent_id,))),
    ),
    Vector("both targets", sent(EVERYWHERE)),
    Vector("past the bundle's end, and it reads", sent(LIST), here={"bundle": "expired"}),
    Vector("an intent that needs the installed bundle", sent(with_intent(STOP, bundle_min=BUNDLE.version))),
    Vector("an approval that is not required", sent(approved(WORD, BOB))),
    Vector("the approval that the bundle requires", sent(approved(WORD, BOB)), here={"bundle": "one approval"}),
    Vector(
        "an approval issued in 60 s by this node's clock, in its last second",
        sent(approved(WORD, BOB, iat=NOW + 60, exp=NOW + 61), iat=NOW + 60, exp=NOW + 120),
        here={"bundle": "one approval", "now": NOW},
    ),
    Vector("sixteen approvals", sent(approved(WORD, BOB), approvals=SIXTEEN), here={"bundle": "one approval"}),
    Vector("keys that are valid from this second to the next", sent(WORD), here={"bundle": "now valid"}),
    Vector("a verb for which the method key counts", sent(WORD), here={"bundle": "by key only"}),
    Vector("a bundle with an extension that is not critical", sent(WORD), here={"bundle": "extended"}),
    Vector("a bundle with a critical extension, and it reads", sent(LIST), here={"bundle": "critically extended"}),
    Vector("its members in another order", dispatched(REVERSED)),
    Vector(
        "its JSON with blanks and escapes",
        dispatched(ESCAPED),
    ),
    Vector(
        "its header in another order, with blanks",
        sent(WORD, header=json.dumps(dict(reversed(HEADER.items())), indent=1).encode()),
    ),
    Vector("the object beside it is the same", sent(WORD), beside=claims(WORD)),
    Vector(
        "the object beside it is the same in another order",
        sent(WORD),
        beside=REVERSED,
    ),
)
