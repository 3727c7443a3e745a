"""The scenarios of `make bench-paths`."""

from __future__ import annotations

from long_path import Route
from path_trial import Scenario
from senders import KERNEL_BBR, KERNEL_CUBIC, OWN_BBR, OWN_CUBIC, Sender

SENDERS = (OWN_BBR, KERNEL_BBR, OWN_CUBIC, KERNEL_CUBIC)
LOSSES = (0.0, 0.1, 1.0)
FEW, MANY = 2, 10
QUEUES_IN_BDP = (0.5, 1.0, 4.0)
BESIDE = (OWN_BBR, KERNEL_BBR, OWN_CUBIC)
"""Each of them shares the path with one flow of the kernel's CUBIC."""
RECEIVER_ROUTE = Route()


def alone(sender: Sender, loss_percent: float) -> Scenario:
    """Return one flow on a path that loses a part."""
    return Scenario(Route(loss_percent=loss_percent), ((sender, 1),))


def together(sender: Sender, flows: int) -> Scenario:
    """Return several flows of the same kind."""
    return Scenario(Route(), ((sender, flows),), warming_seconds=4)


def beside_cubic(sender: Sender, queue_in_bdp: float) -> Scenario:
    """Return a flow beside one of the kernel's CUBIC: the start, which is no equilibrium, is not measured."""
    route = Route(queue_ms=queue_in_bdp * Route().round_trip_ms)
    return Scenario(route, ((sender, 1), (KERNEL_CUBIC, 1)), warming_seconds=5, times=2)


def all_scenarios() -> list[Scenario]:
    """Return the scenarios in the order of a round: contestants of a figure follow each other."""
    return [
        *(alone(sender, loss) for loss in LOSSES for sender in SENDERS),
        *(together(sender, flows) for flows in (FEW, MANY) for sender in SENDERS),
        *(beside_cubic(sender, queue) for queue in QUEUES_IN_BDP for sender in BESIDE),
    ]


def quick_scenarios() -> list[Scenario]:
    """Return the most important scenarios."""
    return [*(alone(sender, loss) for loss in LOSSES[:2] for sender in SENDERS), beside_cubic(OWN_BBR, 1)]
