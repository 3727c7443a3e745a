"""How a stage says that it did not go well."""


class StageError(Exception):
    """One sentence: what was expected, what came instead, and if known what to do."""
