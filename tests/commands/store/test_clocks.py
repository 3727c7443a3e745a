"""Whatever the clocks show, and whatever happens to the record: an intent runs at most once, and nothing is lost early.

The holder of the dispatch key controls the wall clock, and can make the host restart, reboot or stay off. Operators
have right clocks of their own. The record is lost, damaged or moved to a new directory. Time goes by in days.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands.sandbox_requests import NOW, accepted, finished, order, result
from tests.commands.store.stores import Place
from tests.faults import is_soak
from warren.audit.event import INTENT_IAT, AuditEvent
from warren.commands.command import MAX_LIFE_SECONDS, SKEW_SECONDS
from warren.commands.intent import MAX_LIFE_SECONDS as INTENT_LIFE_SECONDS
from warren.commands.replay import Accepted, Stored, Verdict
from warren.commands.result import Code, CommandError
from warren.commands.result_json import encode_result
from warren.commands.store.command_store import FLOOR_MARGIN_SECONDS, CommandStore, read_floored
from warren.commands.store.command_table import CommandTable
from warren.commands.store.store_clock import SAVE_SECONDS
from warren.elapsed_clock import ClockReading
from warren.errors import HostError

pytestmark = [pytest.mark.integration, pytest.mark.security]

T = TypeVar("T")
DAY = 86_400
MEMORY = Path("/dev/shm")  # noqa: S108, each commit is synced, which a disk takes long for; nothing here cuts the power
EXAMPLES = 5_000 if is_soak() else 60
TIMEOUT_SECONDS = 0 if is_soak() else 600


@dataclass
class Intent:
    """An intent that an operator has signed, by the right time."""

    number: int
    iat: int
    exp: int
    accepted_at: float | None = None
    """By the right time, in the present record."""


@dataclass
class Host:
    """A host with clocks that are set by hand, and its store."""

    directory: Path
    real: float = float(NOW)
    wall: float = float(NOW)
    boottime: float = 1_000.0
    boot: int = 0
    is_stuck: bool = False
    rejected_at: int = -1
    """The time of the last line of the log, if that is of a rejection."""
    bundle: int = 0
    """When the installed one was signed."""
    intents: list[Intent] = field(default_factory=list)
    runs: Counter[int] = field(default_factory=Counter)
    nonces: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.place = Place(self.directory, clocks=self.clocks).begin()
        self.store, self.table = self.open()

    def clocks(self) -> ClockReading:
        return ClockReading(self.wall, self.boottime, str(self.boot))

    def read_clocks(self) -> ClockReading:
        """As a command is verified."""
        return read_floored(self.table.clock.floor, self.bundle, self.clocks())

    def open(self) -> tuple[CommandStore, CommandTable]:
        self.rejected_at = -1  # it may write lines
        store = self.place.store()
        table = store._open()
        with_transaction(table, lambda: table.interrupt("gateway-001"))
        return store, table

    def close(self) -> None:
        self.table.tick(closing=True)
        self.table.connection.close()

    def let_pass(self, seconds: float, *, ticks: bool = True) -> None:
        """Also while it is suspended: then nothing ticks meanwhile."""
        for part in [seconds / 4] * 4 if ticks else [seconds]:
            self.real += part
            self.boottime += part
            self.wall += 0 if self.is_stuck else part
            self.table.tick(closing=False)

    def power_off(self, seconds: float, *, keeps_time: bool) -> None:
        self.table.connection.close()  # as without power: nothing is written any more
        self.real += seconds
        self.wall = self.wall + seconds if keeps_time else 0.0
        self.boot, self.boottime = self.boot + 1, 30.0
        self.store, self.table = self.open()

    def restart(self) -> None:
        self.close()
        self.store, self.table = self.open()

    def lose_record(self, how: str) -> None:
        self.close()
        database = self.place.directory / "commands.db"
        if how == "deleted":
            database.unlink()
        elif how == "damaged":
            database.write_bytes(b"\xa5" * 8192)
        elif self.wall >= self.real:  # a new [daemon] state, without the log: the clock alone says when it is
            shutil.rmtree(self.place.directory)
            self.place.directory.mkdir()
        for intent in self.intents:
            intent.accepted_at = None
        self.store, self.table = self.open()

    def sign(self, life: int) -> Intent:
        intent = Intent(len(self.intents), int(self.real), int(self.real) + life)
        self.intents.append(intent)
        return intent

    def deliver(self, intent: Intent, *, finishes: bool = True) -> Verdict | CommandError:
        """As whoever has the dispatch key: in a new command, by the node's time."""
        now = int(self.read_clocks().wall)
        if intent.iat > now + SKEW_SECONDS or now >= intent.exp:
            return CommandError(Code.EXPIRED_TOKEN, "by the rules of the intent's own time")
        command = order(intent.number, iat=now, exp=now + MAX_LIFE_SECONDS, intent_iat=intent.iat)
        command = replace(command, nonce=f"n-{next(self.nonces)}")
        try:
            event = replace(accepted(command), timestamp=now, details={INTENT_IAT: intent.iat})
            verdict = with_transaction(self.table, lambda: self.table.accept(command, event, read_only=False))
        except CommandError as error:
            self.log_rejection(now)
            return error
        self.rejected_at = -1
        if verdict == Accepted():
            self.runs[intent.number] += 1
            intent.accepted_at = self.real
            if finishes:
                outcome = result(command)
                octets = encode_result(outcome)
                with_transaction(
                    self.table, lambda: self.table.finish(command.corr_id, outcome, octets, finished(command))
                )
        return verdict

    def log_rejection(self, now: int) -> None:
        """Write a line whose time may become the last one of the log; another one of the same time changes nothing."""
        if now != self.rejected_at:
            rejected = AuditEvent("command.refused", now)
            with_transaction(self.table, lambda: self.table.write_event(rejected, essential=False))
            self.rejected_at = now

    def check(self) -> None:
        assert all(count == 1 for count in self.runs.values()), self.runs
        for intent in self.intents:
            if intent.accepted_at is not None and self.real < intent.accepted_at + 30 * DAY:
                assert self.table._find(f"c-{intent.number}") is not None, "lost early"


def with_transaction(table: CommandTable, run: Callable[[], T]) -> T:
    """As the database's thread does, with a batch of one."""
    table.connection.execute("BEGIN IMMEDIATE")
    try:
        outcome = run()
    except CommandError:
        table.connection.execute("ROLLBACK")
        table.rolled_back()
        raise
    table.connection.execute("COMMIT")
    table.committed([])
    return outcome


SECONDS = st.one_of(st.integers(1, 600), st.integers(1, 3 * DAY), st.integers(1, 40 * DAY))
JUMPS = st.sampled_from([90, 3_600, 3 * DAY, 8 * DAY, 31 * DAY, 400 * DAY])
EVENTS = st.one_of(
    st.tuples(st.just("pass"), SECONDS),
    st.tuples(st.just("suspend"), SECONDS),
    st.tuples(st.just("off"), SECONDS),
    st.tuples(st.just("off without a battery"), SECONDS),
    st.tuples(st.just("set ahead"), JUMPS),
    st.tuples(st.just("set back"), JUMPS),
    st.tuples(st.just("set right"), st.just(0)),
    st.tuples(st.just("stick"), st.just(0)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.sampled_from(["deleted", "damaged", "moved"]), st.just(0)),
    st.tuples(st.just("bundle"), st.integers(0, 90 * DAY)),  # how long ago the one was signed that is installed
    st.tuples(st.just("sign"), st.integers(60, INTENT_LIFE_SECONDS)),
    st.tuples(st.just("deliver"), st.just(0)),
    st.tuples(st.just("deliver and crash"), st.just(0)),
)


def happen(host: Host, event: str, number: int) -> None:  # noqa: C901, PLR0912, one case for each event
    match event:
        case "pass" | "suspend":
            host.let_pass(number, ticks=event == "pass")
        case "off" | "off without a battery":
            host.power_off(number, keeps_time=event == "off")
        case "set ahead":
            host.wall = host.real + number
        case "set back":
            host.wall = host.real - number
        case "set right":
            host.wall, host.is_stuck = host.real, False
        case "stick":
            host.is_stuck = True
        case "restart":
            host.restart()
        case "deleted" | "damaged" | "moved":
            host.lose_record(event)
        case "bundle":
            host.bundle = max(host.bundle, int(host.real) - number)  # an older one is refused
        case "sign":
            host.deliver(host.sign(number))
        case "deliver" | "deliver and crash":
            for intent in host.intents:
                host.deliver(intent, finishes=event == "deliver")
            if event == "deliver and crash":
                host.restart()


@pytest.mark.timeout(TIMEOUT_SECONDS)
@settings(max_examples=EXAMPLES)
@given(st.lists(EVENTS, min_size=3, max_size=25))
def test_intent_runs_at_most_once_and_nothing_is_lost_early(events: list[tuple[str, int]]) -> None:
    directory = Path(tempfile.mkdtemp(prefix="warren-clocks-", dir=MEMORY if MEMORY.is_dir() else None))
    host = Host(directory / "state")
    try:
        host.deliver(host.sign(INTENT_LIFE_SECONDS))
        for event, number in events:
            happen(host, event, number)
            for intent in host.intents:  # whenever the clock lets it
                host.deliver(intent)
            host.check()
        host.wall, host.is_stuck = host.real, False
        if host.table.begun < host.real:
            host.let_pass(2 * MAX_LIFE_SECONDS)
            assert host.deliver(host.sign(600)) == Accepted(), "refused although the clocks are right"
    finally:
        host.table.connection.close()
        shutil.rmtree(directory)


IS_DELIVERY = {"sign", "deliver", "deliver and crash"}
FLOOR_EVENTS = EVENTS.filter(lambda event: event[0] not in IS_DELIVERY)


@pytest.mark.timeout(TIMEOUT_SECONDS)
@settings(max_examples=EXAMPLES)
@given(st.lists(FLOOR_EVENTS, min_size=3, max_size=25))
def test_time_floor_is_never_later_than_the_right_time_and_forgets_no_running_time(
    events: list[tuple[str, int]],
) -> None:
    """What it forgets is bounded: the margin of a signer, time without power, ten minutes of a power cut."""
    directory = Path(tempfile.mkdtemp(prefix="warren-floor-", dir=MEMORY if MEMORY.is_dir() else None))
    host = Host(directory / "state")
    bundle = host.bundle = int(host.real)
    host.read_clocks()
    ran = 0.0
    """For how long it ran since the floor was first as high as the bundle, with what a power cut may have lost."""
    try:
        for event, number in events:
            happen(host, event, number)
            verified = host.read_clocks().wall
            if event in {"pass", "suspend"}:
                ran += number
            elif event.startswith("off"):
                ran -= SAVE_SECONDS
            elif event in {"deleted", "damaged", "moved"} or (event == "bundle" and host.bundle > bundle + ran):
                bundle, ran = host.bundle, 0.0
            assert host.table.clock.floor.at(host.boottime) <= host.real, "a right clock would be changed"
            assert verified >= host.wall
            assert verified >= bundle + ran - FLOOR_MARGIN_SECONDS - 1, "went back"
    finally:
        host.table.connection.close()
        shutil.rmtree(directory)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "state")


@pytest.mark.parametrize("how", ["deleted", "damaged", "moved"])
def test_lost_record_refuses_intents_signed_before(host: Host, how: str) -> None:
    """61 seconds later the dispatch key signs a new command around an old intent."""
    intent = host.sign(7 * DAY)
    assert host.deliver(intent) == Accepted()
    host.lose_record(how)
    host.let_pass(2 * SKEW_SECONDS)
    assert isinstance(host.deliver(intent), CommandError)
    assert host.deliver(host.sign(600)) == Accepted()


def test_lost_record_begins_after_the_intents_of_the_log_while_the_clock_is_back(host: Host) -> None:
    """The last line of the log is of a time before the intent, too."""
    intent = host.sign(7 * DAY)
    assert host.deliver(intent) == Accepted()
    host.wall -= 3 * DAY
    rejected = AuditEvent("command.refused", int(host.wall))
    with_transaction(host.table, lambda: host.table.write_event(rejected, essential=False))
    host.lose_record("deleted")
    host.wall = host.real + 120
    assert isinstance(host.deliver(intent), CommandError)
    host.let_pass(120)
    assert host.deliver(host.sign(600)) == Accepted()


@pytest.mark.parametrize("losses", [2, 3])
def test_record_that_is_lost_again_begins_no_earlier_than_the_one_before(host: Host, losses: int) -> None:
    """Its log does not name the intent, and its last line is of a clock without a battery."""
    intent = host.sign(7 * DAY)
    assert host.deliver(intent) == Accepted()
    host.wall += 90
    host.lose_record("moved")
    host.power_off(60, keeps_time=False)
    for _ in range(losses):
        host.lose_record("deleted")
    host.wall = host.real + 60
    assert isinstance(host.deliver(intent), CommandError)
    host.let_pass(2 * MAX_LIFE_SECONDS)
    assert host.deliver(host.sign(600)) == Accepted()


def test_clock_ahead_for_a_minute_deletes_nothing(host: Host) -> None:
    intent = host.sign(7 * DAY)
    assert host.deliver(intent) == Accepted()
    host.wall += 31 * DAY
    host.let_pass(90)
    host.wall = host.real
    host.let_pass(90)
    assert isinstance(host.deliver(intent), Stored)
    assert host.deliver(host.sign(600)) == Accepted()


def test_clock_that_was_ahead_for_an_hour_refuses_nothing_when_it_is_corrected(host: Host) -> None:
    """A nonce of that hour was used and deleted."""
    host.wall += 400 * DAY
    ahead = host.sign(600)
    ahead.iat, ahead.exp = int(host.wall), int(host.wall) + 600  # of an operator on the same host
    assert host.deliver(ahead) == Accepted()
    host.let_pass(3_600)
    host.wall = host.real
    assert host.deliver(host.sign(600)) == Accepted()


def test_forgotten_intent_is_refused_when_the_clock_is_set_back(host: Host) -> None:
    intent = host.sign(7 * DAY)
    assert host.deliver(intent) == Accepted()
    host.let_pass(31 * DAY)
    assert host.table._find("c-0") is None
    host.wall = intent.iat + 1
    assert isinstance(host.deliver(intent), CommandError)


def test_rows_are_kept_for_thirty_days_of_running_time(host: Host) -> None:
    intent = host.sign(7 * DAY)
    assert host.deliver(intent) == Accepted()
    host.power_off(40 * DAY, keeps_time=True)
    host.let_pass(29 * DAY)
    assert host.table._find("c-0") is not None
    host.let_pass(2 * DAY)
    assert host.table._find("c-0") is None


SCHEMA_1 = """
PRAGMA application_id = 1463898706; PRAGMA user_version = 1;
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE used (kid TEXT, nonce TEXT, keep_until INTEGER NOT NULL, PRIMARY KEY (kid, nonce)) WITHOUT ROWID;
CREATE TABLE command (
    corr_id TEXT PRIMARY KEY, verb TEXT NOT NULL, actor TEXT NOT NULL, kid TEXT NOT NULL, nonce TEXT NOT NULL,
    args_sha256 TEXT NOT NULL, state INTEGER NOT NULL, result BLOB, acknowledged INTEGER NOT NULL DEFAULT 0,
    keep_until INTEGER NOT NULL
);
CREATE INDEX command_open ON command (state) WHERE state = 1;
CREATE INDEX command_spooled ON command (acknowledged) WHERE acknowledged = 0;
CREATE TABLE outbox (n INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE TABLE record (
    kind TEXT, key TEXT, value BLOB NOT NULL, expires INTEGER, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
"""


def test_schema_1_is_migrated_with_its_rows(host: Host) -> None:
    command = order(7, iat=NOW - 30, exp=NOW + 30)
    host.close()
    path = host.place.directory / "commands.db"
    path.unlink()
    old = sqlite3.connect(path, isolation_level=None)
    old.executescript(SCHEMA_1)
    old.execute("INSERT INTO meta VALUES ('created', ?), ('forgotten', ?)", (NOW - 7200, NOW - 3600))
    old.execute("INSERT INTO used VALUES (?, ?, ?)", (command.kid, command.nonce, command.exp + 61))
    row = (command.corr_id, command.verb, command.actor.id, command.kid, command.nonce, command.args_sha256)
    octets = encode_result(result(command))
    old.execute("INSERT INTO command VALUES (?,?,?,?,?,?,2,?,0,?)", (*row, octets, NOW + 30 * DAY))
    old.execute("INSERT INTO record VALUES ('bootstrap', 'hash', '{}', ?)", (NOW + 60,))
    old.close()
    host.store, host.table = host.open()
    assert host.table.begun == NOW - 7200 + 60
    assert host.table.result_of("c-7") == result(command)
    assert isinstance(host.deliver(Intent(7, NOW - 30, NOW + 600)), Stored)
    host.wall += 40 * DAY
    host.let_pass(3_600)
    assert host.table.result_of("c-7") == result(command)
    host.restart()
    host.let_pass(31 * DAY)
    assert host.table.result_of("c-7") is None


def test_newer_schema_is_an_error_and_no_new_record(host: Host) -> None:
    host.table.connection.execute("PRAGMA user_version = 99")
    host.close()
    with pytest.raises(HostError, match="schema 99"):
        host.open()
    assert not (host.place.directory / "commands.db.damaged").exists()


def test_record_begun_while_the_clock_was_ahead_is_lowered_and_never_below_what_was_signed(host: Host) -> None:
    host.deliver(host.sign(600))
    host.wall += 400 * DAY
    host.lose_record("deleted")
    host.wall = host.real
    assert isinstance(host.deliver(host.sign(600)), CommandError)
    assert host.table.begun > host.real + 399 * DAY
    logged = host.store._vouched_beginning()
    assert logged == int(host.real) + SKEW_SECONDS
    assert with_transaction(host.table, lambda: host.table.lower_beginning(logged))
    assert not with_transaction(host.table, lambda: host.table.lower_beginning(logged))
    host.restart()
    assert host.table.begun == logged
    host.let_pass(SKEW_SECONDS + 1)
    assert isinstance(host.deliver(host.intents[0]), CommandError)
    assert host.deliver(host.sign(600)) == Accepted()


def test_record_that_was_lowered_is_not_begun_ahead_when_it_is_lost_again(host: Host) -> None:
    """The log has both beginnings, and the last one counts."""
    host.wall += 400 * DAY
    host.lose_record("deleted")
    host.wall = host.real
    assert host.table.begun > host.real + 399 * DAY
    host.lose_record("damaged")
    assert host.table.begun > host.real + 399 * DAY, "nobody has vouched for the clock"
    logged = host.store._vouched_beginning()
    assert with_transaction(host.table, lambda: host.table.lower_beginning(logged))
    host.lose_record("deleted")
    assert logged <= host.table.begun <= host.real + 2 * SKEW_SECONDS


def test_record_is_not_lowered_below_an_intent_of_the_log(host: Host) -> None:
    """Root may be mistaken about the clock."""
    intent = host.sign(7 * DAY)
    assert host.deliver(intent) == Accepted()
    host.lose_record("deleted")
    host.wall -= 30 * DAY
    assert host.store._vouched_beginning() > intent.iat
