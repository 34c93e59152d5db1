"""scikit-learn's searches on nbexec's workers and on joblib's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import nbexec

from .catalog import Setting, benchmark
from .goals import at_most
from .measure import Sides, timed


@benchmark("fits-8ms", "GridSearchCV, 120 fits of some 8 ms", {"joblib": at_most(1.0)})
def brief_fits(setting: Setting) -> Iterator[Sides]:
    yield _sides(1, setting.size(40, 2), setting.workers)


@benchmark("fits-100ms", "GridSearchCV, 24 fits of some 0.1 s", {"joblib": at_most(1.0)})
def medium_fits(setting: Setting) -> Iterator[Sides]:
    yield _sides(setting.size(25, 2), setting.size(8, 2), setting.workers)


@benchmark("fits-1s", "GridSearchCV, 6 fits of some 1 s", {"joblib": at_most(1.0)})
def long_fits(setting: Setting) -> Iterator[Sides]:
    yield _sides(setting.size(250, 2), 2, setting.workers)


def _sides(trees: int, candidates: int, workers: int) -> Sides:
    nbexec.register_joblib()
    return Sides(
        timed(_search("nbexec", {"progress": "off"}, trees, candidates, workers)),
        timed(_search("loky", {}, trees, candidates, workers)),
    )


def _search(
    backend: str, options: dict[str, Any], trees: int, candidates: int, workers: int
) -> Callable[[], object]:
    import joblib
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV

    digits = load_digits(return_X_y=True)
    grid = {"random_state": list(range(candidates))}
    search = GridSearchCV(RandomForestClassifier(trees), grid, cv=3, refit=False)

    def run() -> object:
        with joblib.parallel_config(backend=backend, n_jobs=workers, **options):
            return search.fit(*digits)

    return run
