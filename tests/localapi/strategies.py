"""Hypothesis strategies for what clients send."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import strategies as st

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
members = st.dictionaries(st.text(), values, max_size=4)


def written(value: object, indent: int | None, ascii_only: bool) -> bytes:
    """JSON, as compact or as spread as it may be."""
    return json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(errors="surrogatepass")


objects = st.builds(written, members, st.sampled_from([None, 0, 2]), st.booleans())


@st.composite
def pieces(draw: st.DrawFn, octets: bytes) -> Sequence[bytes]:
    """`octets`, cut at any places."""
    cuts = sorted(draw(st.sets(st.integers(0, len(octets)))))
    return [octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
