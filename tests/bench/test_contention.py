"""CPU time of others is counted once, also of those that end meanwhile."""

from __future__ import annotations

import pytest

from contention import disturbance, foreign_seconds, percent
from process import Process

pytestmark = pytest.mark.unit

OURS, THEIRS = 1, 2


def look(*processes: Process) -> dict[int, Process]:
    return {process.pid: process for process in processes}


def process(pid: int, own: float, children: float = 0, *, session: int = THEIRS, of_kernel: bool = False) -> Process:
    return Process(pid, 0, session, of_kernel, own, children)


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        pytest.param([process(7, 3)], [process(7, 5)], 2, id="goes on"),
        pytest.param([], [process(7, 5)], 5, id="is new"),
        pytest.param([process(7, 3, session=OURS)], [process(7, 9, session=OURS)], 0, id="is ours"),
        pytest.param([process(7, 3, of_kernel=True)], [process(7, 9, of_kernel=True)], 0, id="is the kernel's"),
        pytest.param([process(7, 3), process(8, 4)], [process(7, 3, 6)], 2, id="ended and was waited for"),
        pytest.param([process(7, 3)], [process(7, 3, 6)], 6, id="came and ended"),
        pytest.param([process(7, 3), process(8, 4)], [process(7, 4)], 1, id="ended and nobody waited"),
    ],
)
def test_a_foreign_process(before: list[Process], after: list[Process], seconds: float) -> None:
    assert foreign_seconds(look(*before), look(*after), OURS) == seconds


def test_shares_stay_shares() -> None:
    assert [percent(part, 4) for part in (-0.1, 0, 1, 4.1)] == [0, 0, 25, 100]


def test_a_disturbed_run_is_told() -> None:
    assert disturbance([0, 5, 5.1, 80]) == "disturbed in 2 of 4"
    assert disturbance([0, 5]) == ""
