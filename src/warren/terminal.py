"""Text of others on a terminal: what would control it is shown, and not sent.

A script's output, a name, a log or another program's error may hold characters that clear the screen, move the cursor,
reverse the order of a line, or are no characters at all. Each is replaced by its escape, as in a Python literal:
`\\x1b`, `\\u202e`, `\\ud800`. Those are the characters of Unicode's categories Other and Separator, except the space.
"""

from __future__ import annotations

from collections.abc import Mapping

LINE_BREAK, TAB = "\n", "\t"
SHORT = {LINE_BREAK: r"\n", TAB: r"\t", "\r": r"\r"}
MAX_OCTET, MAX_PLANE = 0xFF, 0xFFFF


def visible(text: str) -> str:
    """Return text of several lines, in which only line breaks and tabs control the terminal."""
    return text if text.isprintable() else _escaped(text, LINE_BREAK + TAB)


def visible_line(text: object) -> str:
    """Return text on one line, in which nothing controls the terminal: it cannot look like the next line either."""
    line = str(text)
    return line if line.isprintable() else _escaped(line, "")


def visible_members(value: object) -> object:
    """Return a value of JSON in which each text, also a name, is on one line and controls nothing."""
    match value:
        case str():
            return visible_line(value)
        case Mapping():
            return {visible_line(name): visible_members(member) for name, member in value.items()}
        case list() | tuple():
            return [visible_members(item) for item in value]
        case _:
            return value


def _escaped(text: str, kept: str) -> str:
    return "".join(each if each.isprintable() or each in kept else _escape(each) for each in text)


def _escape(character: str) -> str:
    """Return the escape; without a codec, which an agent may no longer be able to import."""
    number = ord(character)
    if character in SHORT:
        return SHORT[character]
    if number <= MAX_OCTET:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= MAX_PLANE else f"\\U{number:08x}"
