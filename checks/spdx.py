"""Licence expressions (SPDX 2.3, annex D): AND, OR, WITH and parentheses, and Cargo's old `MIT/Apache-2.0`."""

from __future__ import annotations

import re
from collections.abc import Collection

TOKEN = re.compile(r"[()]|[^\s()]+")


def verify_allowed(expression: str, allowed: Collection[str]) -> None:
    """Pass if the expression can be met with allowed licences alone; ValueError if not, or if it is no expression."""
    tokens = TOKEN.findall(expression.replace("/", " OR "))
    if not _either(tokens, allowed):
        message = f"{expression!r} is not among the permissive licences"
        raise ValueError(message)
    if tokens:
        message = f"{expression!r} has words left over: {' '.join(tokens)}"
        raise ValueError(message)


def _either(tokens: list[str], allowed: Collection[str]) -> bool:
    met = _both(tokens, allowed)
    while tokens[:1] == ["OR"]:
        tokens.pop(0)
        met = _both(tokens, allowed) or met
    return met


def _both(tokens: list[str], allowed: Collection[str]) -> bool:
    met = _term(tokens, allowed)
    while tokens[:1] == ["AND"]:
        tokens.pop(0)
        met = _term(tokens, allowed) and met
    return met


def _term(tokens: list[str], allowed: Collection[str]) -> bool:
    if not tokens:
        return False
    term = tokens.pop(0)
    if term == "(":
        met = _either(tokens, allowed)
        return tokens[:1] == [")"] and tokens.pop(0) == ")" and met
    if tokens[:1] == ["WITH"]:
        term = " ".join([term, tokens.pop(0), *tokens[:1]])
        del tokens[:1]
    return term in allowed
