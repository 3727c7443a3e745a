"""The settings of forwarding that exit nodes need, and the journal of what they replaced (W-56). Pure.

IPv4 is forwarded from each interface by its own setting. For IPv6 kernels before 6.17 have one setting for the whole
host: with it every interface becomes a router, which takes no router advertisements (RFC 4861, section 6.2.8) unless
`accept_ra` is 2. So that is set first where it was 1; otherwise an uplink would lose its default route.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

VERSION = 1
MAX_SETTINGS = 16_384  # three for each of more interfaces than a host has
ON, ACCEPT_AS_ROUTER = "1", "2"
ALL = "all"
KEY = re.compile(r"ipv(4|6)/conf/([^/]+)/(forwarding|force_forwarding|accept_ra)")
MAX_NAME_OCTETS = 15  # IFNAMSIZ - 1
VALUE = re.compile(r"-?[0-9]{1,9}")
CONF = {4: "ipv4/conf", 6: "ipv6/conf"}


def forwarding_key(version: int, interface: str) -> str:
    """Return the key of the setting below /proc/sys/net by which an interface forwards."""
    return f"{CONF[version]}/{interface}/forwarding"


FOR_HOST = forwarding_key(6, ALL)
"""The setting without which older kernels forward no IPv6."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting below /proc/sys/net, as it was and as Warren sets it."""

    key: str
    former: str
    ours: str
    is_others: bool = False
    """True once another program has set it too: it is never restored."""


@dataclass(frozen=True, slots=True)
class ExitJournal:
    """The changes to undo, in the order in which they were made; the table goes last."""

    has_table: bool = False
    settings: tuple[Setting, ...] = ()

    def of(self, key: str) -> Setting | None:
        """Return the setting of that key, or None."""
        return next((setting for setting in self.settings if setting.key == key), None)

    def with_settings(self, added: Sequence[Setting]) -> ExitJournal:
        """Return the journal with further settings, as far as it does not have them."""
        known = {setting.key for setting in self.settings}
        return replace(self, settings=(*self.settings, *(each for each in added if each.key not in known)))

    def without(self, keys: Collection[str]) -> ExitJournal:
        """Return the journal without the settings of those keys."""
        return replace(self, settings=tuple(each for each in self.settings if each.key not in keys))

    def left_to_others(self, keys: Collection[str]) -> ExitJournal:
        """Return the journal with those settings marked as another program's."""
        marked = (replace(each, is_others=True) if each.key in keys else each for each in self.settings)
        return replace(self, settings=tuple(marked))


def needed_settings(interfaces: Mapping[int, Sequence[str]], values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the settings that forwarding between these interfaces needs, by version of IP, in the order to set them.

    `values` are the settings of this host; what it does not have cannot be set.
    """
    found = [(forwarding_key(4, name), ON) for name in interfaces.get(4, ())]
    if interfaces.get(6):
        found += _ipv6_settings(interfaces[6], values)
    return [(key, value) for key, value in found if key in values]


def _ipv6_settings(interfaces: Sequence[str], values: Mapping[str, str]) -> list[tuple[str, str]]:
    if any(key.endswith("/force_forwarding") for key in values):
        is_router = values.get(FOR_HOST) == ON  # as another program set it: nothing is missing
        return [] if is_router else [(f"ipv6/conf/{name}/force_forwarding", ON) for name in interfaces]
    if len(interfaces) == 1:  # without an uplink the host does not become a router
        return []
    routers = sorted(key for key, value in values.items() if key.endswith("/accept_ra") and value == ON)
    # Those of "all" and "default" are for later interfaces.
    return [*((key, ACCEPT_AS_ROUTER) for key in routers), (FOR_HOST, ON)]


def side_effects(key: str, values: Mapping[str, str]) -> list[Setting]:
    """Return the settings that a change of `key` changes as well: that of the whole host sets every interface."""
    if key != FOR_HOST:
        return []
    return [Setting(other, values[other], ON) for other in sorted(values) if _is_set_for_host(other)]


def unneeded_keys(journal: ExitJournal, needed: Collection[str]) -> frozenset[str]:
    """Return the settings of the journal that no exit node needs any more; that of the whole host needs all of IPv6."""
    return frozenset(
        each.key
        for each in journal.settings
        if each.key not in needed and not (FOR_HOST in needed and each.key.startswith("ipv6/"))
    )


def restoring(journal: ExitJournal, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the values to write, in order: the former ones, where Warren's still stands and nobody else set it.

    The setting of the whole host changes every interface, so what others set for one is written again after it.
    `accept_ra` is restored when no interface is a router any more.
    """
    writes: list[tuple[str, str]] = []
    for setting in sorted(journal.settings, key=lambda each: each.key.endswith("/accept_ra")):
        value = values.get(setting.key)
        if value is None:  # its link is gone
            continue
        stands = not setting.is_others and value == setting.ours
        if _is_set_for_host(setting.key) and FOR_HOST in dict(writes):
            writes.append((setting.key, setting.former if stands else value))
        elif stands and setting.former != setting.ours:
            writes.append((setting.key, setting.former))
    return writes


def _is_set_for_host(key: str) -> bool:
    return key.startswith("ipv6/") and key.endswith("/forwarding") and key != FOR_HOST


def encode_journal(journal: ExitJournal) -> bytes:
    """Return the journal as JSON."""
    settings = [
        {"key": each.key, "former": each.former, "ours": each.ours, "others": each.is_others}
        for each in journal.settings
    ]
    return json.dumps({"version": VERSION, "table": journal.has_table, "settings": settings}, indent=1).encode() + b"\n"


def parse_journal(octets: bytes) -> ExitJournal:
    """Parse a journal from JSON. Raises ValueError for every key and value that no journal can have."""
    try:
        document = json.loads(octets)
        if document["version"] != VERSION:
            raise ValueError(f"unsupported version {document['version']}, expected {VERSION}")
        settings = document["settings"]
        if not isinstance(settings, list) or len(settings) > MAX_SETTINGS:
            raise ValueError(f"expected a list of at most {MAX_SETTINGS} settings")
        return ExitJournal(bool(document["table"]), tuple(_parse_settings(settings)))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("the file is not a journal of exit nodes") from error


def _parse_settings(settings: Sequence[Mapping[str, object]]) -> Iterator[Setting]:
    for each in settings:
        key, former, ours = str(each["key"]), str(each["former"]), str(each["ours"])
        if not is_setting(key) or not VALUE.fullmatch(former) or not VALUE.fullmatch(ours):
            raise ValueError(f"{key!r} is not a setting of forwarding")
        yield Setting(key, former, ours, bool(each["others"]))


def is_setting(key: str) -> bool:
    """Return whether a key is one that Warren changes: it leads to no other file."""
    match = KEY.fullmatch(key)
    return match is not None and (is_link_name(match[2]))


def is_link_name(name: str) -> bool:
    """Return whether a link of this host can have that name; other programs give names that Warren would not."""
    return name not in {".", ".."} and not {*name} & set("/\0") and 0 < len(name.encode()) <= MAX_NAME_OCTETS
