"""A cell under ``%%parallel`` against the plain cell: items of any cost in bodies of any kind."""

from __future__ import annotations

from .goals import at_least, value
from .plain_cells import PLAIN, line

SECONDS = 0.5  # that the plain cell takes, about
MOST = 1_000_000  # items
# By the seconds of an item: what it is, and a work of so many rounds, of 50 ns each.
COSTS = {
    "0.05us": (5e-8, "x + 1"),
    "0.5us": (5e-7, "abs(x) + len(str(x))"),
    "5us": (5e-6, "work(x, 100)"),
    "50us": (5e-5, "work(x, 1_000)"),
    "0.5ms": (5e-4, "work(x, 10_000)"),
    "5ms": (5e-3, "work(x, 100_000)"),
    "100ms": (1e-1, "work(x, 2_000_000)"),
}
BODIES = {
    "append": "out = []\nfor x in range(count):\n    out.append({})",
    "store": "out = {{}}\nfor x in range(count):\n    out[x] = {}",
    "sum": "total = sum({} for x in range(count))",
    "list": "out = [{} for x in range(count)]",
    "function": "out = inside(count)",
}
WORK = (
    "def work(x, rounds):\n    s = 0\n    for i in range(rounds): s += i * x\n    return s\n"
    "def inside(count):\n    out = []\n    for x in range(count):\n        out.append({})\n"
    "    return out\n"
)
LEAVES = 5e-4  # seconds an item, from which on workers have to be sooner

for cost, (seconds, item) in COSTS.items():
    for kind, body in BODIES.items():
        name = f"grid-{kind}-{cost}"
        count = min(MOST, max(8, int(SECONDS / seconds)))
        goals = {PLAIN: at_least(1.4)} if seconds >= LEAVES else {"": value(30, "ms")}
        line(
            *(f"{name}", f"{count:,} items of {cost} ({kind})", body.format(item)),
            *(f"{WORK.format(item)}count = max(4, int({count} * share))", goals),
        )
