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
from sklearn.inspection import permutation_importance  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.naive_bayes import GaussianNB  # noqa: E402


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:300], y[:300]


@pytest.fixture(autouse=True)
def registered():
    nbexec.register_joblib()


def on_nbexec(call):
    with joblib.parallel_config(backend="nbexec", n_jobs=2):
        return call()


def names(log):
    return [event.name for event in log.events if isinstance(event, RunStarted)]


def test_a_grid_search(digits, log):
    search = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-5, 1e-2, 1e-1]}, cv=3)
    expected = search.fit(*digits).cv_results_["mean_test_score"]
    found = on_nbexec(lambda: search.fit(*digits).cv_results_["mean_test_score"])
    assert found.tolist() == expected.tolist()
    assert names(log) == ["GridSearchCV: 3 folds × 4 candidates"]
    assert [event.total for event in log.events if isinstance(event, Steered)] == [12]


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
