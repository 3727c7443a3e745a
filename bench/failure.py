"""What ends a measurement, in a sentence."""


class BenchError(Exception):
    """Something could not be measured."""
