"""`python -m warren`: the program without its launcher, for this interpreter and this environment."""

from __future__ import annotations

import sys

from warren.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
