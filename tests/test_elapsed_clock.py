"""The clock that cannot be set: it never counts more than has passed, and both clocks make a deadline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren import clock
from warren.elapsed_clock import ClockReading, Deadline, ElapsedClock, ElapsedState, Moment

pytestmark = [pytest.mark.unit, pytest.mark.security]

DAY = 86_400.0
HOUR = 3_600.0


def reading(boottime: float, boot_id: str = "first", wall: float = 1e9) -> ClockReading:
    return ClockReading(wall, boottime, boot_id)


def test_new_clock_begins_at_zero_and_counts_boottime() -> None:
    elapsed = ElapsedClock(None, reading(500))
    assert elapsed.read(reading(500)).elapsed == 0
    assert elapsed.read(reading(560, wall=0)) == Moment(0, 60)


def test_restart_within_one_boot_counts_the_time_in_between() -> None:
    before = ElapsedClock(None, reading(500))
    before.read(reading(560))
    after = ElapsedClock(before.state, reading(1060))
    assert after.read(reading(1060)).elapsed == 560


def test_reboot_counts_the_new_boot_and_not_the_time_powered_off() -> None:
    before = ElapsedClock(None, reading(500))
    before.read(reading(560))
    after = ElapsedClock(before.state, reading(30, "second", wall=1e9 + 30 * DAY))
    assert after.read(reading(40, "second")).elapsed == 100


@pytest.mark.parametrize(("stored", "present"), [("", "second"), ("first", ""), ("", "")])
def test_unknown_boot_counts_nothing_in_between(stored: str, present: str) -> None:
    after = ElapsedClock(ElapsedState(60, 500, stored), reading(9_000, present))
    assert after.read(reading(9_001, present)).elapsed == 61


def test_boottime_that_goes_back_adds_nothing() -> None:
    """A virtual machine that was restored from a snapshot has the same boot id."""
    elapsed = ElapsedClock(ElapsedState(60, 500, "first"), reading(100))
    assert elapsed.read(reading(110)).elapsed == 70


@given(
    st.lists(
        st.tuples(st.sampled_from(["run", "set", "suspend", "restart", "reboot"]), st.floats(0, 30 * DAY)), max_size=30
    )
)
def test_elapsed_never_exceeds_the_time_that_has_passed(events: list[tuple[str, float]]) -> None:
    passed, boottime, boot, wall = 0.0, 77.0, 0, 1e9
    elapsed = ElapsedClock(None, reading(boottime, "0"))
    for kind, seconds in events:
        if kind == "set":
            wall = seconds
        else:
            passed += seconds
            boottime += seconds
        if kind == "reboot":  # `seconds` were without power, and it runs again for as long
            boot, boottime, passed = boot + 1, seconds, passed + seconds
        if kind in {"restart", "reboot"}:
            elapsed = ElapsedClock(elapsed.state, reading(boottime, str(boot), wall))
        counted = elapsed.read(reading(boottime, str(boot), wall)).elapsed
        assert counted <= passed + 1e-3
        assert boot or counted == pytest.approx(passed)


def test_deadline_ends_by_either_clock_and_is_over_by_both() -> None:
    deadline = Moment(1e9, 0).after(DAY)
    assert deadline == Deadline(1e9 + DAY, DAY)
    cases = {
        (HOUR, HOUR): (False, False),
        (DAY, HOUR): (True, False),
        (HOUR, DAY): (True, False),
        (DAY, DAY): (True, True),
    }
    for (wall, elapsed), expected in cases.items():
        now = Moment(1e9 + wall, elapsed)
        assert (deadline.has_ended(now), deadline.is_over(now)) == expected
    assert deadline.remaining_seconds(Moment(1e9 + HOUR, 2 * HOUR)) == DAY - 2 * HOUR
    assert deadline.remaining_seconds(Moment(1e9 + 2 * DAY, HOUR)) == 0
    assert deadline.next_change_seconds(Moment(1e9 + HOUR, 2 * HOUR)) == DAY - 2 * HOUR
    assert deadline.next_change_seconds(Moment(1e9 + DAY, HOUR)) == DAY - HOUR
    assert deadline.next_change_seconds(Moment(1e9 + DAY, DAY)) == 0


def test_clocks_of_the_host_are_read() -> None:
    first, second = clock.read_clocks(), clock.read_clocks()
    assert first.boot_id == second.boot_id
    assert second.boottime >= first.boottime >= clock.monotonic_seconds() - 1e6
    assert abs(first.wall - clock.wall_seconds()) < 60
