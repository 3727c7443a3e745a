"""Set the host's DNS servers for a network, and restore its own. The journal is on the disk before each change."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from warren.config.parsers import IPAddress
from warren.errors import HostError
from warren.files.atomic import remove_file
from warren.files.bounded_read import open_following, read_descriptor
from warren.files.file_state import MAX_FILE_BYTES, FileState, Kind
from warren.files.in_place import overwrite_file
from warren.files.snapshot import restore_snapshot, take_snapshot
from warren.files.trusted_path import process_trust
from warren.tunnel.dns import (
    RESOLVED_DIRECTORY,
    choose_backend,
    commands_to_apply,
    commands_to_revert,
    is_resolveds_stub,
    record_name,
    resolv_conf,
    server_addresses,
)
from warren.tunnel.dns_journal import DnsBackend, Entry, Journal, restorable
from warren.tunnel.io.dns_journal_file import JournalFile
from warren.tunnel.io.dns_programs import DnsPrograms

UNFINISHED = ".resolv.conf.warren"


class Resolver:
    """The resolver of the host below `root`; `state` is Warren's own directory, for the journal.

    It is for one caller at a time. Every method may block.
    """

    def __init__(self, state: Path, root: Path = Path("/")) -> None:
        self._root = root
        self._file = root / "etc" / "resolv.conf"
        self._kept = state / "resolv.conf.before"
        self._journal = JournalFile(state)
        self._programs = DnsPrograms(root)

    def apply(self, network: str, interface: str, servers: Sequence[IPAddress]) -> DnsBackend:
        """Use `servers` for all names, before those of networks that were applied earlier; return the backend.

        The former servers of `network` are replaced. Raises HostError, with nothing of it left: `dns.changed` if
        another program changed what Warren wrote, `dns.refused` if the host refuses.
        """
        journal = self._journal.load()
        before = journal.of(network)
        if before is not None and before.interface != interface:
            self.revert(network)
            return self.apply(network, interface, servers)
        entry = self._entry(network, interface) if before is None else before
        entry = replace(entry, servers=tuple(servers))
        if not journal.entries:
            journal = replace(journal, host_servers=self._servers_now())
        if entry.backend is DnsBackend.FILE:
            self._apply_in_file(journal, journal.with_entry(entry))
        else:
            self._apply_by_program(journal, entry)
        return entry.backend

    def revert(self, network: str) -> None:
        """Restore what the host had before `network`; without an entry of that network nothing happens.

        Raises HostError: `dns.changed` if another program changed what Warren wrote, which is then left alone and no
        longer Warren's; `dns.refused` if the host refuses, and then a later attempt may succeed.
        """
        journal = self._journal.load()
        entry = journal.of(network)
        if entry is None:
            return
        if entry.backend is DnsBackend.FILE:
            self._revert_in_file(journal, journal.without(network))
        else:
            self._forget(entry)
            self._journal.store(journal.without(network))

    def recover(self) -> tuple[HostError, ...]:
        """Restore what the host had before a killed process or a power cut; return the errors."""
        problems: list[HostError] = []
        try:
            entries = self._journal.recover().entries
            if entries:
                remove_file(self._file.with_name(UNFINISHED), trust=process_trust())
        except HostError as error:
            return (error,)
        except OSError as error:
            return (self._refusal(error),)
        for entry in reversed(entries):
            try:
                self.revert(entry.network)
            except HostError as error:
                problems.append(error)
        return tuple(problems)

    def verify(self, network: str) -> None:
        """Raise HostError `dns.changed` if another program has changed the servers since."""
        journal = self._journal.load()
        entry = journal.of(network)
        if entry is None:
            return
        if entry.backend is DnsBackend.FILE:
            if not journal.is_ours(take_snapshot(self._file, trust=process_trust())):
                raise self._changed(journal)
        elif self._backend_for(frozenset((entry.backend,))) is not entry.backend:
            problem = f"{self._file} was changed by another program: lookups no longer use {entry.backend}"
            hint = "nothing was overwritten; restore it, or disconnect and connect the network"
            raise HostError(problem, code="dns.changed", hint=hint)

    def host_servers(self) -> tuple[IPAddress, ...]:
        """Return the host's own name servers, without those of networks. Raises HostError."""
        journal = self._journal.load()
        return journal.host_servers if journal.entries else self._servers_now()

    def _servers_now(self) -> tuple[IPAddress, ...]:
        text = self._text_of(take_snapshot(self._file, trust=process_trust()))
        if is_resolveds_stub(text):
            text = _read(self._root / RESOLVED_DIRECTORY[1:] / "resolv.conf")
        return server_addresses(text)

    def _entry(self, network: str, interface: str) -> Entry:
        backend = self._backend_for(self._programs.answering())
        order = _read(self._root / "etc" / "resolvconf" / "interface-order").decode(errors="replace")
        return Entry(network, interface, (), backend, record_name(backend, interface, order))

    def _backend_for(self, programs: frozenset[DnsBackend]) -> DnsBackend:
        state = take_snapshot(self._file, trust=process_trust())
        nsswitch = _read(self._root / "etc" / "nsswitch.conf")
        return choose_backend(state, self._text_of(state), nsswitch, programs)

    def _text_of(self, state: FileState) -> bytes:
        """Return the content that a program reads there."""
        if state.kind is not Kind.LINK:
            return state.content
        target = os.fsdecode(state.content)
        return _read(self._root / target[1:] if target.startswith("/") else self._file.parent / target)

    def _apply_by_program(self, journal: Journal, entry: Entry) -> None:
        self._journal.store(journal.with_entry(entry))
        try:
            self._programs.run(commands_to_apply(entry))
        except HostError:
            with suppress(HostError):
                self._programs.run(commands_to_revert(entry))
            self._journal.store(journal.without(entry.network))
            raise

    def _forget(self, entry: Entry) -> None:
        try:
            self._programs.run(commands_to_revert(entry))
        except HostError:
            # resolved forgets the settings of a link that is removed.
            if entry.backend is not DnsBackend.RESOLVECTL or (self._root / "sys/class/net" / entry.interface).exists():
                raise

    def _apply_in_file(self, journal: Journal, wanted: Journal) -> None:
        here = take_snapshot(self._file, trust=process_trust())
        if not self._is_known(journal, here):
            raise self._changed(journal)
        self._write(journal, wanted, here)

    def _revert_in_file(self, journal: Journal, rest: Journal) -> None:
        here = take_snapshot(self._file, trust=process_trust())
        if not self._is_known(journal, here):
            self._abandon(journal, rest)
        elif rest.in_file:
            self._write(journal, rest, here)
        else:
            if journal.original is not None and here != journal.original:
                self._put(journal, journal.original, journal, here)
            self._journal.store(_with_nothing_written(rest))

    def _is_known(self, journal: Journal, here: FileState) -> bool:
        """Return True for what Warren wrote, and for the original.

        A process that was killed may not have started the change, or have reverted it.
        """
        return not journal.in_file or journal.is_ours(here) or here == journal.original

    def _abandon(self, journal: Journal, rest: Journal) -> None:
        original = journal.original
        if rest.in_file:
            self._journal.store(rest)
        else:
            if original is not None and original.kind is Kind.FILE:
                self._journal.put_beside(self._kept, original)
            self._journal.store(_with_nothing_written(rest))
        raise self._changed(journal)

    def _write(self, journal: Journal, wanted: Journal, here: FileState) -> None:
        """Write the servers of `wanted` to the file."""
        original = here if journal.original is None else journal.original
        content = resolv_conf(wanted.in_file, self._text_of(original))
        written = (here.content, content) if journal.is_ours(here) else (content,)
        recorded = replace(wanted, original=original, written=written)
        state = FileState(Kind.FILE, content, owner=original.owner, group=original.group)
        self._put(recorded, state, journal, here)

    def _put(self, journal: Journal, state: FileState, before: Journal, here: FileState) -> None:
        """Write `state` once `journal` is on the disk. Raises HostError, with everything as it was `before`."""
        self._journal.store(journal)
        state = restorable(state) if process_trust() is not None else state
        try:
            try:
                restore_snapshot(self._file, UNFINISHED, state, trust=process_trust())
            except OSError as error:
                # A mount point, as in a container, cannot be replaced by a rename.
                if error.errno != errno.EBUSY or state.kind is not Kind.FILE:
                    raise
                self._journal.store(replace(journal, in_place=True))
                self._write_in_place(state.content, here.content)
        except OSError as error:
            self._journal.store(before)
            raise self._refusal(error) from error

    def _write_in_place(self, content: bytes, before: bytes) -> None:
        try:
            overwrite_file(self._file, content, trust=process_trust())
        except OSError:
            with suppress(OSError):
                overwrite_file(self._file, before, trust=process_trust())
            raise

    def _refusal(self, error: OSError) -> HostError:
        return HostError(f"{self._file}: {error.strerror}", code="dns.refused", errno=error.errno)

    def _changed(self, journal: Journal) -> HostError:
        problem = f"{self._file} was changed by another program while a network had its DNS servers there"
        match journal.original:
            case FileState(Kind.FILE):
                hint = f"nothing was overwritten; when its networks are down, {self._kept} is the former file"
            case FileState(Kind.LINK, content):
                hint = f"nothing was overwritten; the former link: ln -sf {os.fsdecode(content)} {self._file}"
            case _:
                hint = "nothing was overwritten; there was no such file before"
        return HostError(problem, code="dns.changed", hint=hint)


def _with_nothing_written(journal: Journal) -> Journal:
    return replace(journal, original=None, written=(), in_place=False)


def _read(path: Path) -> bytes:
    """Return the content of a file, or nothing if it cannot be read."""
    try:
        return read_descriptor(open_following(path), MAX_FILE_BYTES)[0]
    except OSError:
        return b""
