"""Open and close the exit nodes of this host: forwarding, and the table that limits it.

The journal is on the disk before each change. The table stands before anything is forwarded, and goes after forwarding
has ended. So a process that is killed at any step leaves nothing open that was closed, and a journal from which the
next one restores the host (W-56).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warren.errors import HostError
from warren.tunnel.exit_journal import (
    FOR_HOST,
    ExitJournal,
    Setting,
    needed_settings,
    restoring,
    side_effects,
    unneeded_keys,
)
from warren.tunnel.firewall import blocking_chains
from warren.tunnel.io.exit_journal_file import ExitJournalFile
from warren.tunnel.io.firewall_programs import load_ruleset, read_chains, table_comment
from warren.tunnel.io.forwarding_settings import read_settings, write_setting
from warren.tunnel.io.netconf import NetconfWatch
from warren.tunnel.nft_exit import COMMENT, TABLE, ExitRules, exit_ruleset, remove_ruleset


@dataclass(frozen=True, slots=True)
class OpenExit:
    """An exit node that is open."""

    rules: ExitRules
    uplinks: Mapping[int, Sequence[str]]
    """The links to other networks, by version of IP."""

    def forwarding(self) -> dict[int, Sequence[str]]:
        """Return the links that must forward, by version of IP.

        That of the peers forwards also without an uplink: what is not forwarded would be dropped without an answer.
        """
        return {version: (self.rules.interface, *links) for version, links in self.uplinks.items()}


class ExitForwarding:
    """The exit nodes of one agent; `state` is Warren's own directory, for the journal.

    It is for one caller at a time. Every method may block.
    """

    def __init__(self, state: Path) -> None:
        self._journal = ExitJournalFile(state)
        self._exits: dict[str, OpenExit] = {}
        self._watch = NetconfWatch()

    def apply(self, rules: ExitRules, uplinks: Mapping[int, Sequence[str]]) -> None:
        """Open the exit node of a network, or change it. Raises HostError, with nothing new forwarded."""
        journal = self._note_others(self._journal.load())
        if not journal.has_table:
            self._check_table()
        exits = self._exits | {rules.network: OpenExit(rules, uplinks)}
        self._watch.start()
        self._store(ExitJournal(has_table=True, settings=journal.settings))
        before, self._exits = self._exits, exits
        try:
            self._set_forwarding()
        except HostError:
            if rules.network not in before:
                with suppress(HostError):
                    self.revert(rules.network)
            raise

    def check(self, network: str) -> tuple[HostError, ...]:
        """Restore the table if another program removed it, and return why an exit node does not work.

        Raises HostError.
        """
        journal = self._note_others(self._journal.load())
        if network not in self._exits:
            return ()
        if table_comment("inet", TABLE) is None:
            self._load_table(journal)
        opened = self._exits[network]
        return (*_forwarding_problems(opened), *_firewall_problems(opened))

    def revert(self, network: str) -> None:
        """Close the exit node of a network; for a network without one nothing happens. Raises HostError."""
        if network in self._exits:
            remaining = {name: each for name, each in self._exits.items() if name != network}
            if remaining:
                self._exits = remaining
                self._set_forwarding()
            else:
                self._close()
                self._exits = {}

    def recover(self) -> tuple[HostError, ...]:
        """Close the exit nodes that this process or a killed one opened; return the errors."""
        try:
            self._journal.recover()
            self._close()
        except HostError as error:
            return (error,)
        self._exits = {}
        return ()

    def _close(self) -> None:
        journal = self._note_others(self._journal.load())
        self._restore(journal, {setting.key for setting in journal.settings})
        if journal.has_table:
            load_ruleset(remove_ruleset())
        self._store(ExitJournal())
        self._watch.close()

    def _check_table(self) -> None:
        """Raise HostError if another program has a table of that name.

        One of an agent whose journal is lost is ours.
        """
        if table_comment("inet", TABLE) not in {None, COMMENT}:
            problem = f"another program has a table inet {TABLE}"
            raise HostError(problem, code="exit.refused", hint=f"remove it: nft delete table inet {TABLE}")

    def _set_forwarding(self) -> None:
        """Load the table, let the links of all exit nodes forward, and restore what none of them needs any more."""
        values = read_settings()
        needed = dict(self._needed(values))
        journal = self._journal.load()
        added: list[Setting] = []
        for key, ours in needed.items():
            if values[key] != ours and journal.of(key) is None:  # else another program set it meanwhile
                added += [Setting(key, values[key], ours), *side_effects(key, values)]
        journal = journal.with_settings(added)
        self._store(journal)
        self._load_table(journal)
        for setting in added:
            if setting.key in needed:
                write_setting(setting.key, setting.ours)
        self._watch.take()
        if unneeded := unneeded_keys(journal, needed.keys()):
            self._restore(journal, unneeded)
            self._store(journal.without(unneeded))

    def _needed(self, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for each in self._exits.values():
            yield from needed_settings(each.forwarding(), values)

    def _load_table(self, journal: ExitJournal) -> None:
        for_host = journal.of(FOR_HOST)
        ruleset = exit_ruleset(
            [each.rules for each in self._exits.values()],
            only_exits_forward_ipv6=for_host is not None and not for_host.is_others,
        )
        load_ruleset(ruleset)

    def _restore(self, journal: ExitJournal, keys: Collection[str]) -> None:
        """Restore the settings with these keys. Raises HostError for the first that the host refuses."""
        chosen = ExitJournal(settings=tuple(each for each in journal.settings if each.key in keys))
        for key, value in restoring(chosen, read_settings()):
            write_setting(key, value)
        self._watch.take()

    def _note_others(self, journal: ExitJournal) -> ExitJournal:
        """Return the journal, on the disk too, with the settings that other programs wrote left to them."""
        marked = journal.left_to_others(self._watch.take())
        if marked != journal:
            self._store(marked)
            if self._exits and marked.of(FOR_HOST) != journal.of(FOR_HOST):
                self._load_table(marked)
        return marked

    def _store(self, journal: ExitJournal) -> None:
        self._journal.store(journal)


def _forwarding_problems(opened: OpenExit) -> Iterator[HostError]:
    values = read_settings()
    for key, ours in needed_settings(opened.forwarding(), values):
        if values[key] != ours:
            setting = "net." + key.replace("/", ".")
            problem = f"{setting} is {values[key]}, so the exit node forwards nothing there"
            hint = f"another program changed it; run: sysctl -w {setting}={ours}"
            yield HostError(problem, code="exit.forwarding_off", hint=hint)


def _firewall_problems(opened: OpenExit) -> Iterator[HostError]:
    interface = opened.rules.interface
    for blocked in blocking_chains(read_chains(), interface, opened.uplinks):
        problem = f"exit_blocked_by {blocked.chain}: the chain drops packets from or to {interface}"
        yield HostError(problem, code="exit.blocked", hint=f"add rules to it: {'; '.join(blocked.commands)}")
