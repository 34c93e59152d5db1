"""A cell under ``%%parallel`` against the plain cell: what people write around loops."""

from __future__ import annotations

from .goals import at_least
from .plain_cells import PLAIN, WORK, line

WORK_1MS = WORK.format(20_000)
COUNT = "count = int(1000 * share) or 1\n"
TABLE = (
    f"{WORK_1MS}\nimport pandas as pd, numpy as np\n{COUNT}"
    "df = pd.DataFrame({'n': range(count), 'k': [n % 20 for n in range(count)]})\n"
)
GAIN = {PLAIN: at_least(1.5)}

KINDS = {
    "key": ("the longest of 1,000 by a key of 1 ms", "best = max(range(count), key=work)", COUNT),
    "sorted": ("1,000 sorted by a key of 1 ms", "ys = sorted(range(count), key=work)", COUNT),
    "map": (
        "a loop over map with 1,000 items of 1 ms",
        "for y in map(work, range(count)): t += y",
        f"{COUNT}t = 0",
    ),
    "early": (
        "an item found after 60 of 1,000, each of 10 ms",
        "for x in range(count):\n    if sum(work(x) for _ in range(10)) < 0 or x == 60: break",
        COUNT,
    ),
    "ahead": (
        "a value that goes from one of 1,000 items of 1 ms to the next",
        "for x in range(count): state = (state * 31 + work(x)) % 1_000_003",
        COUNT + "state = 1",
    ),
    "cached": (
        "2,000 calls of a cached function, half of which take 1 ms",
        "@lru_cache(None)\ndef slow(n): return work(n)\n"
        "ys = [slow(x % count) for x in range(2 * count)]",
        COUNT + "from functools import lru_cache",
    ),
    "own-key": (
        "1,000 items of 1 ms that each read an entry of a large dictionary",
        "ys = [work(big[k][0]) for k in range(count)]",
        COUNT + "big = {k: [k, str(k)] for k in range(int(300_000 * share) + count)}",
    ),
    "own-key-loop": (
        "1,000 items of 1 ms that each change their own entry of a dictionary",
        "for k in range(count): big[k][0] = work(big[k][1])",
        COUNT + "big = {k: [k, k] for k in range(count)}",
    ),
    "attributes": (
        "1,000 items of 1 ms counted in attributes of an object",
        "for x in range(count):\n    box.total += work(x)\n    box.rows.append(x)",
        COUNT + "class Box: pass\nbox = Box()\nbox.total, box.rows = 0, []",
    ),
    "calls": (
        "two calls of 0.5 s in a statement",
        "y = work_all(1), work_all(2)",
        f"{COUNT}def work_all(n):\n    t = 0\n    while n < count: t += work(n); n += 2\n"
        "    return t",
    ),
}
for name, (title, cell, setup) in KINDS.items():
    line(name, title, cell, f"{WORK_1MS}\n{setup}", GAIN)

PANDAS = {
    "apply": ("df.apply by rows, 1,000 of 1 ms", "s = df.apply(lambda r: work(r['n']), axis=1)"),
    "series-map": ("series.map, 1,000 of 1 ms", "s = df['n'].map(work)"),
    "groupby": (
        "groupby.apply, 20 groups of 50 ms",
        "s = df.groupby('k')['n'].apply(lambda g: sum(work(n) for n in g))",
    ),
    "itertuples": ("itertuples, 1,000 of 1 ms", "ys = [work(r.n) for r in df.itertuples()]"),
    "vectorize": ("np.vectorize, 1,000 of 1 ms", "ys = np.vectorize(work)(np.arange(count))"),
}
for name, (title, cell) in PANDAS.items():
    line(name, title, cell, TABLE, GAIN)
