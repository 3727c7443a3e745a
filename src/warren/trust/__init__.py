"""Trust: bundles signed by pinned roots, operators and their keys, identities of nodes."""
