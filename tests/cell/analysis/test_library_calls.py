"""Calls of library code that leave their arguments alone."""

from __future__ import annotations

import pytest

from ..both_ways import runs_in_parallel

ACCEPTED = {
    "files that are read": """
import pathlib, nbexec
folder = pathlib.Path(nbexec.__file__).parent
sizes = {}
for path in sorted(folder.glob("*.py")):
    with open(path) as file:
        lines = file.readlines()
    sizes[path.name] = len(lines) + len(path.read_text())
else:
    del path, folder, file
""",
    "combinations": """
import itertools
xs = [[1], [2], [3]]
out = []
for a, b in itertools.combinations(xs, 2):
    out.append((a, b))
""",
    "a random generator of its own": """
import random
out = []
for seed in range(4):
    rng = random.Random(seed)
    out.append(rng.random())
""",
}


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    runs_in_parallel(source, where)
