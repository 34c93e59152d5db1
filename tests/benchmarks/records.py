"""Rows that a model validates: beside plain Pydantic, a pool of processes, and msgpack with LZ4."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import nbexec
from nbexec.placement import profiles

from .catalog import Setting, benchmark
from .goals import SHOWN, at_most
from .measure import Sides, timed

COUNT = 200_000
CHUNKS = (500, 2_000, 10_000)  # rows that a pool is given at once: the best of these counts
BAD = 20  # one row in so many is bad


def row(at: int, bad: bool = False) -> dict[str, Any]:
    """Give one as a CSV file has it: texts."""
    return {
        "number": str(at),
        "customer": f"c{at % 1000}",
        "email": f"a{at}@example.org",
        "amount": "x" if bad and at % BAD == 0 else f"{at * 0.37:.2f}",
        "quantity": str(at % 7 + 1),
        "country": ("de", "fr", "us")[at % 3],
        "day": "2026-11-02T07:08:09",
        "paid": "true",
    }


@functools.cache
def model() -> Any:
    """Give the model; whoever has no pydantic gets an ImportError when it is measured."""
    from datetime import datetime
    from typing import Literal

    import pydantic

    kinds: dict[str, Any] = {
        **{"number": (int, ...), "customer": (str, ...), "email": (str, ...)},
        **{"amount": (float, ...), "quantity": (int, pydantic.Field(ge=1))},
        **{
            "country": (Literal["de", "fr", "us"], ...),
            "day": (datetime, ...),
            "paid": (bool, ...),
        },
    }
    return pydantic.create_model("Order", __module__=__name__, **kinds)


def __getattr__(name: str) -> Any:
    """Give the model by its name: a pool pickles its objects by that."""
    if name == "Order":
        return model()
    raise AttributeError(name)


Rows = Callable[[], Iterator[dict[str, Any]]]  # makes them anew, as a file is read


def judged(rows: Iterable[dict[str, Any]]) -> Iterator[Any]:
    """Validate in one process, as a loop does: give objects, and positions with errors."""
    import pydantic

    validate = model().model_validate
    for at, one in enumerate(rows):
        try:
            yield validate(one)
        except pydantic.ValidationError as error:
            yield at, error


def plain(rows: Rows) -> int:
    """Take the good rows one by one, and keep the errors."""
    bad: list[Any] = []
    return sum(1 for one in judged(rows()) if type(one) is not tuple or bad.append(one))


def ours(rows: Rows, **options: Any) -> Callable[[], object]:
    """Give a run that knows nothing of earlier ones, whose good rows are taken one by one."""

    def work() -> object:
        profiles.forget()
        validate = model().model_validate
        results = nbexec.imap(validate, rows(), on_error="collect", progress="off", **options)
        return sum(1 for _ in results.ok())

    return work


def validated(part: list[dict[str, Any]]) -> tuple[list[Any], list[tuple[int, str]]]:
    """Validate a chunk in a process of a pool, which can send errors as text."""
    found = [*judged(part)]
    good = [one for one in found if type(one) is not tuple]
    return good, [(one[0], str(one[1])) for one in found if type(one) is tuple]


def packed(data: bytes) -> bytes:
    """Do so with rows in msgpack and LZ4, both ways; objects travel as dicts."""
    import lz4.frame
    import msgpack

    good, bad = validated(msgpack.unpackb(lz4.frame.decompress(data)))
    dicts = [one.model_dump(mode="json") for one in good]
    return bytes(lz4.frame.compress(msgpack.packb((dicts, bad))))


def unpacked(data: bytes) -> list[Any]:
    """Give the objects of a reply."""
    import lz4.frame
    import msgpack

    dicts, _ = msgpack.unpackb(lz4.frame.decompress(data))
    return [model().model_construct(**one) for one in dicts]


def chunks(rows: Rows, size: int) -> Iterator[list[Any]]:
    """Give the rows in lists."""
    flow = rows()
    return iter(lambda: [*itertools.islice(flow, size)], [])


def pooled(pool: Any, rows: Rows, size: int) -> object:
    """Validate on a pool of multiprocessing."""
    return sum(len(good) for good, _ in pool.imap(validated, chunks(rows, size)))


def pooled_packed(pool: Any, rows: Rows, size: int) -> object:
    """Validate on one through msgpack and LZ4."""
    import lz4.frame
    import msgpack

    sent = (lz4.frame.compress(msgpack.packb(part)) for part in chunks(rows, size))
    return sum(len(unpacked(reply)) for reply in pool.imap(packed, sent))


def _compared(setting: Setting, bad: bool, **options: Any) -> Iterator[Sides]:
    count = setting.size(COUNT, 2_000)

    def rows() -> Iterator[dict[str, Any]]:
        return (row(at, bad) for at in range(count))

    mine = timed(ours(rows, **options))
    if setting.against == "plain Pydantic":
        yield Sides(mine, timed(lambda: plain(rows)))
        return
    work = pooled_packed if setting.against == "msgpack + LZ4" else pooled
    with multiprocessing.get_context("spawn").Pool(setting.workers) as pool:
        took = {size: timed(lambda size=size: work(pool, rows, size))() for size in CHUNKS}
        size = min(took, key=took.__getitem__)
        yield Sides(mine, timed(lambda: work(pool, rows, size)), f"chunks of {size:,}")


GOALS = {
    "plain Pydantic": at_most(1.2),
    "multiprocessing": at_most(1.0),
    "msgpack + LZ4": at_most(1.0),
}


@benchmark("records-good", "200,000 rows by a model of eight fields, all good; auto", GOALS)
def good(setting: Setting) -> Iterator[Sides]:
    yield from _compared(setting, bad=False)


@benchmark("records-bad", "the same, 1 in 20 bad; auto", GOALS)
def bad(setting: Setting) -> Iterator[Sides]:
    yield from _compared(setting, bad=True)


@benchmark(
    "records-processes",
    "the same, on processes",
    {"multiprocessing": SHOWN, "msgpack + LZ4": SHOWN},
)
def processes(setting: Setting) -> Iterator[Sides]:
    yield from _compared(setting, bad=True, backend="processes", workers=setting.workers)


@benchmark(
    "records-list",
    "200,000 rows, one by one by the validator that a worker calls",
    {"TypeAdapter(list[Model])": at_most(1.05)},
)
def as_list(setting: Setting) -> Iterator[Sides]:
    import pydantic

    from nbexec.records.validators import direct

    rows = [row(at) for at in range(setting.size(COUNT, 2_000))]
    validate = direct(model().model_validate)
    adapter = pydantic.TypeAdapter(list[model()])  # type: ignore[misc]
    yield Sides(
        timed(lambda: [validate(one) for one in rows]),
        timed(lambda: adapter.validate_python(rows)),
    )
