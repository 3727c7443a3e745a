"""The sample of the guests' tests keeps each file, and each function that only a guest runs."""

from __future__ import annotations

from .sample import CASES, FUNCTIONS, sampled

NETNS = [f"tests/netns/test_a.py::test_{function}[{case}]" for function in range(7) for case in range(10)]
SINGLE = ["tests/scenario/test_b.py::test_alone"]
INSIDE = [f"tests/qemu/inside/test_c.py::test_{function}[{case}]" for function in range(4) for case in range(5)]


def test_same_seed_draws_same_sample() -> None:
    assert sampled(NETNS + INSIDE, "1") == sampled(NETNS + INSIDE, "1")


def test_other_seeds_reach_every_test() -> None:
    reached = set().union(*(sampled(NETNS + INSIDE, str(seed)) for seed in range(400)))
    assert reached == {*NETNS, *INSIDE}


def test_file_of_the_namespaces_keeps_a_share_of_its_functions_with_one_case_each() -> None:
    chosen = sampled(NETNS, "1")
    assert len(chosen) == len({test.partition("[")[0] for test in chosen}) == -(-7 // FUNCTIONS)


def test_file_with_a_single_test_keeps_it() -> None:
    assert sampled(SINGLE, "1") == set(SINGLE)


def test_file_that_only_guests_run_keeps_every_function() -> None:
    chosen = sampled(INSIDE, "1")
    assert len({test.partition("[")[0] for test in chosen}) == 4
    assert len(chosen) == 4 * CASES
