"""Metric families as text: Prometheus's format 0.0.4, and OpenMetrics 1.0.0 for clients that accept it.

Both formats have one HELP and one TYPE per family, and print whole numbers as integers, however large. They differ in
the family names of counters and infos, in the name of the unknown type, in what is escaped, and in the last line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from warren.telemetry.metrics import Family, Kind, Point

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text"
SUFFIX = {Kind.COUNTER: "_total", Kind.INFO: "_info", Kind.GAUGE: "", Kind.UNKNOWN: ""}
PROMETHEUS_TYPE = {Kind.COUNTER: "counter", Kind.INFO: "gauge", Kind.GAUGE: "gauge", Kind.UNKNOWN: "untyped"}


def exposition(families: Iterable[Family], accept: str) -> tuple[str, bytes]:
    """Return the content type and the text that the header `accept` prefers (RFC 9110 section 12.5.1)."""
    if wants_openmetrics(accept):
        return OPENMETRICS, openmetrics_text(families).encode()
    return PROMETHEUS, prometheus_text(families).encode()


def prometheus_text(families: Iterable[Family]) -> str:
    """Return the families in Prometheus's format 0.0.4."""
    return "".join(line for family in families for line in _prometheus(family))


def openmetrics_text(families: Iterable[Family]) -> str:
    """Return the families in OpenMetrics 1.0.0."""
    return "".join(line for family in families for line in _openmetrics(family)) + "# EOF\n"


def wants_openmetrics(accept: str) -> bool:
    """Return True if `accept` names OpenMetrics and prefers no type that plain text matches."""
    weights = _weights(accept)
    plain = max(weights.get(kind, 0.0) for kind in ("text/plain", "text/*", "*/*"))
    return weights.get(OPENMETRICS_TYPE, 0.0) > 0 and weights[OPENMETRICS_TYPE] >= plain


def _weights(accept: str) -> dict[str, float]:
    """Return the largest weight of each type; an invalid weight is 0."""
    weights: dict[str, float] = {}
    for entry in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        weights[kind] = max(weights.get(kind, 0.0), _weight(parameters))
    return weights


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _prometheus(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}\n"
    yield f"# TYPE {family.name} {PROMETHEUS_TYPE[family.kind]}\n"
    yield from _points(family)


def _openmetrics(family: Family) -> Iterator[str]:
    name = family.name.removesuffix(SUFFIX[family.kind])
    yield f"# TYPE {name} {family.kind}\n"
    yield f"# HELP {name} {_quoted(family.help)}\n"
    yield from _points(family)


def _points(family: Family) -> Iterator[str]:
    for point in family.points:
        yield f"{family.name}{_labels(point)} {_number(point.value)}\n"


def _labels(point: Point) -> str:
    if not point.labels:
        return ""
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in point.labels) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) else repr(value)
