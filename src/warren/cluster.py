"""The name of a cluster: one tenant with one root, one trust bundle and its own ids of nodes."""

from __future__ import annotations

from warren.shapes import text

CLUSTER = text(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "1 to 63 of a-z 0-9 -, no hyphen at either end")
"""A label of DNS: it is the authority of the URI names in certificates, `warren://CLUSTER/node/ID`."""
NO_CLUSTER = ""
"""The cluster in what a node without a trust bundle signs."""
NODE_CLUSTER = text(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?", "the name of a cluster, or nothing")
"""The cluster in what a node signs."""
