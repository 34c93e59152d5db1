"""Random runs for a night: ``python -m tests.chaos 10000``."""

from __future__ import annotations

import sys

from .runs import main

main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
