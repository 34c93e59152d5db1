"""scikit-learn on nbexec's workers: the scores that joblib's own backend gives.

Covers `nbexec.integrations.joblib_names`.
"""

from __future__ import annotations

import pytest

import nbexec
from nbexec.telemetry.events import RunStarted, Steered

joblib = pytest.importorskip("joblib")
pytest.importorskip("sklearn")

from sklearn.datasets import load_digits  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.experimental import enable_halving_search_cv  # noqa: E402, F401
from sklearn.inspection import permutation_importance  # noqa: E402
from sklearn.model_selection import (  # noqa: E402
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB  # noqa: E402
from sklearn.svm import SVC  # noqa: E402


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:300], y[:300]


@pytest.fixture(autouse=True)
def registered():
    nbexec.register_joblib()


def on_nbexec(call, backend="nbexec"):
    with joblib.parallel_config(backend=backend, n_jobs=2):
        return call()


def names(log):
    return [event.name for event in log.events if isinstance(event, RunStarted)]


def of_scores(search):
    """Give what a search found, without the times that it took."""
    found = {key: list(value) for key, value in search.cv_results_.items() if "time" not in key}
    return found, search.best_params_, search.best_score_


def test_a_grid_search_of_the_digits_is_as_with_joblibs_own_backend(digits, log):
    search = GridSearchCV(SVC(), {"C": [0.1, 1, 10], "gamma": [0.001, 0.01]}, cv=3)
    found = on_nbexec(lambda: of_scores(search.fit(*digits)))
    assert names(log) == ["GridSearchCV: 3 folds × 6 candidates"]
    assert [event.total for event in log.events if isinstance(event, Steered)] == [18]
    assert found == on_nbexec(lambda: of_scores(search.fit(*digits)), "threading")
    assert found[2] > 0.9


def test_a_search_that_halves_tells_how_it_goes_on(digits, log):
    parameters = {"var_smoothing": [1e-9, 1e-8, 1e-5, 1e-3, 1e-2, 1e-1]}
    search = HalvingGridSearchCV(GaussianNB(), parameters, cv=3, factor=2, random_state=0)
    assert on_nbexec(lambda: of_scores(search.fit(*digits))) == of_scores(search.fit(*digits))
    assert names(log) == ["HalvingGridSearchCV: 3 folds × 6 candidates"]
    steered = [event for event in log.events if isinstance(event, Steered)]
    assert [event.total for event in steered if event.total] == [18, 27, 33]
    notes = [event.note for event in steered if event.note]
    assert notes == ["then 3 folds × 3 candidates", "then 3 folds × 2 candidates"]


def test_a_function_names_its_run(digits, log):
    expected = cross_val_score(GaussianNB(), *digits)
    assert on_nbexec(lambda: cross_val_score(GaussianNB(), *digits)).tolist() == expected.tolist()
    assert names(log) == ["cross_val_score"]


def test_a_forest_and_what_it_finds_important(digits, log):
    x, y = digits[0][:, 20:30], digits[1]

    def fitted():
        forest = RandomForestClassifier(6, random_state=0).fit(x, y)
        found = permutation_importance(forest, x, y, n_repeats=2, random_state=0)
        return forest.predict(x).tolist(), found.importances.tolist()

    assert on_nbexec(fitted) == fitted()
    assert names(log)[0] == "RandomForestClassifier"
    assert {"RandomForestClassifier.predict", "permutation_importance"} <= {*names(log)}
