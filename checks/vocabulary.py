"""The words that Warren does not use, and the standard term for each (the glossary in CONTRIBUTING.md says the rest).

A pattern is a regular expression for whole words, upper or lower case. `WORDS` may stand nowhere in a swept file;
`PHRASES` may not stand in a text that a user or another program reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

WORDS: Mapping[str, str] = {
    r"doors?": "transport, listener or API",
    r"errands?": "operation or request",
    r"performers?": "handler",
    r"surroundings": "context",
    r"farewell": "teardown",
    r"household": "process tree",
    r"rootsword": "pinned node",
    r"whomever": "the user or process that is meant",
    r"whose word": "the signer whose key",
    r"word of root": "a file that only root can write",
    r"root's word": "a file that only root can write",
    r"operator's word": "an operator's signed intent",
    r"gives? word": "notify",
    r"stands? twice": "duplicate",
}
PHRASES: Mapping[str, str] = {
    r"(?<!there )is no(?:ne| (?!longer|more|such)\w+)": "invalid ... or unknown ...",
    r"is there already": "already exists",
    r"not what it should be": "invalid value",
    r"sign in anew": "log in again",
    r"mistake in the agent itself": "internal error",
    r"its log says more": "see the agent log",
    r"nobody knows": "unknown",
    r"has the rights": "is privileged",
    r"what carries it out": "the runner",
    r"by now": "already",
    r"heed(?:s|ed)?": "use or honor",
}
OPENINGS = re.compile(
    r"(?:What|Whether|Of|By|Those|Whom|Whose|Whoever|Who|That|Until|Once|Everybody|Somebody|Nobody|Such)\b", re.ASCII
)
"""First words of a docstring or heading that make a fragment of a sentence."""
HEADING_OPENINGS = re.compile(
    r"(?:What|Whether|Of|By|Those|Whom|Whose|Whoever|Who|That|It|Everybody|Nobody)\b", re.ASCII
)

_WORDS = {re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE): term for pattern, term in WORDS.items()}
_PHRASES = {re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE): term for pattern, term in PHRASES.items()}
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def banned_words(text: str) -> Iterator[tuple[str, str]]:
    """Yield each banned word in `text` with the standard term for it."""
    for pattern, term in _WORDS.items():
        for match in pattern.finditer(text):
            yield match.group(), term


def banned_phrases(text: str) -> Iterator[tuple[str, str]]:
    """Yield each banned word and phrase in a text for users with the standard term for it."""
    yield from banned_words(text)
    for pattern, term in _PHRASES.items():
        for match in pattern.finditer(text):
            yield match.group(), term


def banned_in_name(name: str) -> Iterator[tuple[str, str]]:
    """Yield each banned word that is a part of an identifier: `LocalDoor` and `local_door` hold the same two words."""
    yield from banned_words(" ".join(_PARTS.findall(name.replace("_", " "))))
