"""Arguments that someone would try: what a shell, a script, a path or a parser may read in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

TEXTS = {
    "a command after it": "user;id",
    "a substitution": "$(id)",
    "backquotes": "`id`",
    "an option": "-rf",
    "a long option": "--help",
    "a newline at the end": "user1\n",
    "a line of its own": "user1\nroot:x:0",
    "a carriage return": "user1\r",
    "a nul": "user1\0",
    "a tab": "user\t1",
    "a blank": "user 1",
    "a path": "../../etc/passwd",
    "an absolute path": "/etc/passwd",
    "dots": "..",
    "a colon": "user:1",
    "a quote": "user'1",
    "double quotes": 'user"1',
    "a pipe": "user|id",
    "an ampersand": "user&id",
    "a redirection": "user>file",
    "a glob": "user*",
    "a brace": "{user,root}",
    "a percent": "user%s",
    "a backslash": "user\\1",
    "digits of another script": "٣٣٣",
    "letters of another script": "us\u0435rname",
    "a full width letter": "\uff55ser1",
    "a zero width blank": "user\u200b1",
    "an override of direction": "user\u202e1",
    "a lone surrogate": "user\ud8001",
    "nothing": "",
    "too long": "a" * 65,
    "much too long": "a" * 100_000,
}
"""None is a name; each would be one somewhere."""
OTHER_TYPES: tuple[object, ...] = (None, True, 0, 1.5, [], ["user1"], {}, {"a": "user1"}, b"user1")


def hostile(good: Mapping[str, object], *names: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Good arguments with each of these once spoilt, in all ways; then with one too few and one too many."""
    for name in names:
        yield from ((f"{name}: {what}", {**good, name: text}) for what, text in TEXTS.items())
    for name in good:
        yield from ((f"{name}: {value!r}", {**good, name: value}) for value in OTHER_TYPES if value != good[name])
        yield f"without {name}", {key: value for key, value in good.items() if key != name}
    yield "an extra key", {**good, "shell": "/bin/sh"}
    yield "a key in capitals", {**good, "USERNAME": "user1"}
