"""The failure of a stage."""


class StageError(Exception):
    """A sentence: what was expected, what happened instead, and a hint if one is known."""
