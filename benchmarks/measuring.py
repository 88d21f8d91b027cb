"""How a measurement is asked for: `python -m benchmarks.NAME`, or `--short` for its short form."""

import sys


def is_short() -> bool:
    """Whether the short form is wanted."""
    return "--short" in sys.argv[1:]
