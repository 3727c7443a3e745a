"""Where the statements of a TOML text stand: tomllib itself is asked whether that is true."""

from __future__ import annotations

import contextlib
import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from warren.config.toml_spans import KeyLines, LazyKeyLines, statements

from .strategies import texts

pytestmark = pytest.mark.unit

STRINGS = '''
a = "[x] # = ] \\" [["
b = 'c:\\'
[t] # [no]
c = """
[not.a.header]
d = 1
\\""" still in it ""\\"
two more quotation marks of its own"""""
e = \'\'\'
[[nor.this]]
f = 2\'\'\'
g = [ # [[nor.that]]
  "h = 1", [
    [1] ], { i = "]" },
]
"j.k" . l = 1
[ "m n" . 'o' ]
p.q = { r = 1 }
[["s"]]
t = """ "
[nor.here]
"""
u = [ "]", 1 ] # [v]
 [[w.x]]
'''


def test_strings_comments_and_lists_hide_what_is_in_them() -> None:
    assert [(found.kind, found.path, found.line) for found in statements(STRINGS)] == [
        ("key", ("a",), 2),
        ("key", ("b",), 3),
        ("table", ("t",), 4),
        ("key", ("c",), 5),
        ("key", ("e",), 10),
        ("key", ("g",), 13),
        ("key", ("j.k", "l"), 17),
        ("table", ("m n", "o"), 18),
        ("key", ("p", "q"), 19),
        ("array", ("s",), 20),
        ("key", ("t",), 21),
        ("key", ("u",), 24),
        ("array", ("w", "x"), 25),
    ]


def test_lines_may_end_as_on_windows() -> None:
    found = list(statements("[a]\r\n\r\n  b = 1 # c\r\n[[d]]\r\n"))
    assert [(each.path, each.line) for each in found] == [(("a",), 1), (("b",), 3), (("d",), 4)]


def paths(value: object, under: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Of every table and value, but for those of tables within a statement's own value."""
    found = {under} if under else set()
    if isinstance(value, dict):
        found |= {path for name, each in value.items() for path in paths(each, (*under, name))}
    elif isinstance(value, list):
        found |= {path for each in value if isinstance(each, dict) for path in paths(each, under)}
    return found


@given(texts)
@example(STRINGS)
def test_every_statement_is_there_and_no_other(text: str) -> None:
    found = list(statements(text))
    for each in found:
        assert 0 <= each.begin < each.end <= len(text)
        assert text[: each.begin].count("\n") + 1 == each.line
    with contextlib.suppress(ValueError):
        whole = paths(tomllib.loads(text))
        seen: set[tuple[str, ...]] = set()
        under: tuple[str, ...] = ()
        for each in found:
            under = under if each.kind == "key" else each.path
            full = (*under, *each.path) if each.kind == "key" else under
            assert full in whole
            seen |= {full[:length] for length in range(1, len(full) + 1)}
        # What is left over stands in a table that is the value of a key.
        inline = {full for full in whole - seen if not any(full[:length] in seen for length in range(1, len(full)))}
        assert inline == set()


@given(texts, st.lists(st.sampled_from(["a", "network", "network.a.peers[1]", "network.a.mtu", "daemon.user", '"é"'])))
@example(STRINGS, ["t", "a", "x", "t.g"])
@example('"\\u0061" = 1', ["a"])
def test_lines_are_the_same_however_far_the_text_is_scanned(text: str, keys: list[str]) -> None:
    whole = KeyLines()
    for statement in statements(text):
        whole.add(statement)
    lazy = LazyKeyLines(text)
    assert [lazy.get(key) for key in keys] == [whole.lines.get(key) for key in keys]
    assert dict(lazy) == whole.lines


def test_text_is_scanned_no_further_than_asked() -> None:
    lazy = LazyKeyLines("a = 1\n" + "b = 2\n" * 1000)
    assert "absent" not in lazy
    assert lazy["a"] == 1
    assert lazy._known.lines == {"a": 1}
