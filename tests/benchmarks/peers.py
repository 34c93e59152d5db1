"""Every other library's way to map a function over items in processes, at its best."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

from .measure import timed

ENOUGH = 0.5  # seconds; a chunksize whose run takes this long is tried once

Map = Callable[[Callable[[Any], Any], Sequence[Any], int], object]


class Peer(NamedTuple):
    """A library, and how its workers are made ready."""

    package: str  # that must be installed; "" is Python's own
    open: Callable[[int], AbstractContextManager[Map]]
    chunked: bool  # whether people pick its chunksize by hand


@contextmanager
def _concurrent_futures(workers: int) -> Iterator[Map]:
    with ProcessPoolExecutor(workers) as pool:
        yield lambda fn, items, size: list(pool.map(fn, items, chunksize=size))


@contextmanager
def _multiprocessing(workers: int) -> Iterator[Map]:
    from multiprocessing import Pool

    with Pool(workers) as pool:
        yield lambda fn, items, size: pool.map(fn, items, chunksize=size)


@contextmanager
def _joblib(workers: int) -> Iterator[Map]:
    from joblib import Parallel, delayed

    def run(fn: Callable[[Any], Any], items: Sequence[Any], size: int) -> object:
        return Parallel(n_jobs=workers)(delayed(fn)(item) for item in items)

    yield run


@contextmanager
def _loky(workers: int) -> Iterator[Map]:
    from loky import get_reusable_executor

    pool = get_reusable_executor(max_workers=workers, timeout=None)
    yield lambda fn, items, size: list(pool.map(fn, items, chunksize=size))
    pool.shutdown()


@contextmanager
def _mpire(workers: int) -> Iterator[Map]:
    from mpire import WorkerPool

    with WorkerPool(n_jobs=workers, keep_alive=True) as pool:
        # an array as an item would be taken for its arguments
        yield lambda fn, items, size: pool.map(fn, [(item,) for item in items])


@contextmanager
def _tqdm(workers: int) -> Iterator[Map]:
    from tqdm.contrib.concurrent import process_map

    with open(os.devnull, "w") as nowhere:
        yield lambda fn, items, size: process_map(
            fn, items, max_workers=workers, chunksize=size, file=nowhere
        )


@contextmanager
def _pqdm(workers: int) -> Iterator[Map]:
    from pqdm.processes import pqdm

    with open(os.devnull, "w") as nowhere:
        yield lambda fn, items, size: pqdm(
            items, fn, n_jobs=workers, exception_behaviour="immediate", file=nowhere
        )


@contextmanager
def _dask(workers: int) -> Iterator[Map]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield lambda fn, items, size: client.gather(client.map(fn, items, pure=False))


@contextmanager
def _ray(workers: int) -> Iterator[Map]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.util.multiprocessing import Pool

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    pool = Pool(workers)
    yield lambda fn, items, size: pool.map(fn, items, chunksize=size)
    pool.terminate()
    ray.shutdown()


@contextmanager
def _ipyparallel(workers: int) -> Iterator[Map]:
    import ipyparallel

    with ipyparallel.Cluster(n=workers, log_level=40) as client:
        view = client.load_balanced_view()
        yield lambda fn, items, size: view.map_sync(fn, items, chunksize=size)


@contextmanager
def _pyferris(workers: int) -> Iterator[Map]:
    from pyferris import Executor

    with Executor(workers) as pool:
        yield lambda fn, items, size: pool.map(fn, items)


PEERS = {
    "concurrent.futures": Peer("", _concurrent_futures, True),
    "multiprocessing.Pool": Peer("", _multiprocessing, True),
    "joblib": Peer("joblib", _joblib, False),
    "loky": Peer("loky", _loky, True),
    "mpire": Peer("mpire", _mpire, False),
    "tqdm process_map": Peer("tqdm", _tqdm, True),
    "pqdm": Peer("pqdm", _pqdm, False),
    "dask": Peer("distributed", _dask, False),
    "ray": Peer("ray", _ray, True),
    "ipyparallel": Peer("ipyparallel", _ipyparallel, True),
    "pyferris": Peer("pyferris", _pyferris, False),
}

# Of those that are not compared on processes.
OTHERS = {
    **{"aiometer": "aiometer", "aiolimiter": "aiolimiter", "tenacity": "tenacity"},
    **dict.fromkeys(("plain Pydantic", "TypeAdapter(list[Model])", "multiprocessing"), "pydantic"),
    "msgpack + LZ4": "lz4",
}


def missing(against: str) -> str:
    """Give the package that a comparison needs and that isn't installed; else ""."""
    package = PEERS[against].package if against in PEERS else OTHERS.get(against, "")
    return package if package and find_spec(package) is None else ""


class Theirs(NamedTuple):
    """A peer's run of the work, ready to be timed."""

    work: Callable[[], object]
    note: str


@contextmanager
def ready(
    against: str, workers: int, fn: Callable[[Any], Any], items: Sequence[Any]
) -> Iterator[Theirs]:
    """Start a peer's workers, and find its best chunksize for this work."""
    peer = PEERS[against]
    with peer.open(workers) as run:
        run(fn, items[: 2 * workers], 1)  # its workers are there
        if not peer.chunked:
            yield Theirs(lambda: run(fn, items, 1), "")
            return
        sizes = chunksizes(len(items), workers)
        chunksize = min(sizes, key=lambda size: _trial(lambda: run(fn, items, size)))
        yield Theirs(lambda: run(fn, items, chunksize), f"chunksize {chunksize:,}")


def chunksizes(count: int, workers: int) -> list[int]:
    """Give what a person might try."""
    shares = {math.ceil(count / (workers * share)) for share in (1, 2, 4, 16, 64)}
    return sorted(shares | ({1} if count <= 5000 else set()))


def _trial(work: Callable[[], object]) -> float:
    """Give the seconds that `work` takes: the median of some, where it is short."""
    side = timed(work)
    taken = [side()]
    while len(taken) < 5 and sum(taken) < ENOUGH:
        taken.append(side())
    return statistics.median(taken)
