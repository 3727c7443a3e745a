"""A plugin of the guests' pytest that chooses which tests of a file run: all in a soak, otherwise a sample.

The files of tests/netns and tests/scenario run whole outside the guests, against the other peers and on Warren's own
engine. A guest repeats them with Linux's own WireGuard, on an emulated processor. Of such a file the sample has one
function in `FUNCTIONS`, and one case of each. Of a file that only the guests run it has every function, with up to
`CASES` cases of each. The seed of the outer run draws the sample, so that `WARREN_SEED` repeats it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence

import pytest

SEED = "WARREN_GUEST_SEED"  # absent in a soak
FUNCTIONS = 3
CASES = 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what the sample does not have, after `-k` has been applied."""
    if (seed := os.environ.get(SEED)) is None:
        return
    chosen = sampled([item.nodeid for item in items], seed)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
    items[:] = [item for item in items if item.nodeid in chosen]


def sampled(tests: Sequence[str], seed: str) -> set[str]:
    """Return the tests, as nodeids, that the seed draws. A file keeps at least one."""
    chosen: set[str] = set()
    for file in dict.fromkeys(test.partition("::")[0] for test in tests):
        chance = random.Random(f"{seed} {file}")  # noqa: S311 - a sample that can be drawn again
        only_here = "/inside/" in file
        functions = unique(test.partition("[")[0] for test in tests if test.startswith(f"{file}::"))
        if not only_here:
            functions = chance.sample(functions, -(-len(functions) // FUNCTIONS))
        for function in functions:
            cases = [test for test in tests if test.partition("[")[0] == function]
            chosen |= set(chance.sample(cases, min(CASES if only_here else 1, len(cases))))
    return chosen


def unique(names: Iterable[str]) -> list[str]:
    """Return the names without repetition, in their order."""
    return list(dict.fromkeys(names))
