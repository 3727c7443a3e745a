"""What a kernel takes along: random changes of a full tunnel and edits of other programs, in a real namespace.

`make soak` runs as many sequences as a day of reloads has; otherwise the seed of the run's samples chooses one, which
`WARREN_SEED` repeats.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

import tests
from tests.cli.ends import Ends
from tests.cli.test_default_route import settled, state
from tests.faults import choose_seed, is_soak
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import OUTER

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]
STEPS = 40
SEQUENCES = 200 if is_soak() else 1


@pytest.mark.parametrize("number", range(SEQUENCES))
def test_after_every_change_the_kernel_is_as_desired_and_nothing_left_in_clear(ends: Ends, number: int) -> None:
    near = ends.near
    for version, beyond in enumerate(OUTER["far"]):
        near.ip(f"-{6 if version else 4}", "route", "add", "default", "via", beyond)
    settled(near)
    before, seed = state(near), random.Random(f"{choose_seed()} {number}").randrange(1 << 32)  # noqa: S311
    path = {"PYTHONPATH": str(Path(tests.__file__).parents[1])}
    done = near.attempt(sys.executable, "-m", "tests.tunnel.io.coupling", str(seed), str(STEPS), env=path)
    print(f"python -m tests.tunnel.io.coupling {seed} {STEPS}", done.stdout, sep="\n")
    assert done.returncode == 0, done.stderr
    assert state(near) == before
