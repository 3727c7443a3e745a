"""Rules of arguments that several verbs share (V-47, V-48, V-50).

Every pattern except a password's is ASCII and matches as a whole: no Unicode digit and no trailing newline passes. An
argument of a script begins with a letter or a digit, so that no script reads it as an option.
"""

from __future__ import annotations

from dataclasses import replace

from warren.commands.schema import Address, Number, Text
from warren.reserved_names import OPENVPN_USERS

USERNAME = Text("[A-Za-z0-9][A-Za-z0-9_-]{2,63}", "3 to 64 of A-Z a-z 0-9 _ -, the first a letter or a digit")
VPN_USERNAME = replace(USERNAME, reserved=OPENVPN_USERS)
"""The name of a user who is to be created; one that exists is deleted whatever its name is."""
SESSION_ID = Text("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "1 to 64 of A-Z a-z 0-9 _ -, the first a letter or a digit")
# C0, DEL and C1 could end a line of standard input; UTF-8 cannot encode an unpaired surrogate.
PASSWORD = Text(
    "[^\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]{8,128}",
    "8 to 128 characters, none of them a control character",
    secret=True,
)
# The subset of RFC 5322's addr-spec without quotes; lengths from RFC 5321 section 4.5.3.1.
EMAIL = Text(
    "(?=.{3,254}$)[A-Za-z0-9][A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{0,63}"
    "@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:[.][A-Za-z0-9][A-Za-z0-9-]{0,62})*",
    "an e-mail address as name@example.org",
)
VPN_TIMEOUT = Number(60, 86_400, unit="seconds")
SOURCE_IP = Address("an IPv4 or IPv6 address")
# fwknop accepts keys of up to 128 octets and exits at one that is not base64; a key below 12 is guessable.
SPA_KEY = Text(
    "(?:[A-Za-z0-9+/]{4}){4,41}(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?",
    "12 to 126 octets in base64",
    secret=True,
)
