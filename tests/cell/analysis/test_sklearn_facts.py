"""What `sklearn_facts` says of estimators and functions, tried on the scikit-learn that is there.

Covers `nbexec.cell.analysis.estimators`.
"""

from __future__ import annotations

import inspect
import io
import pickle
import textwrap
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.utils import all_estimators  # noqa: E402

from nbexec.cell.analysis import sklearn_facts as facts  # noqa: E402
from nbexec.cell.plan import plan  # noqa: E402

from ..both_ways import both  # noqa: E402

RNG = np.random.RandomState(0)
X = np.abs(RNG.rand(40, 3)) + 0.1
Y = (X[:, 0] > 0.6).astype(int)
PARTS = {
    "base_estimator": "DecisionTreeClassifier",
    "estimator": "LogisticRegression",
    "estimators": None,
}
WHEN_USED = sorted(facts.NEW | facts.LINKED)


def made(kind):
    """Make an estimator with what it needs, or give None."""
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.preprocessing import StandardScaler

    given = {}
    for name, one in inspect.signature(kind.__init__).parameters.items():
        if name == "self" or one.default is not one.empty or one.kind is one.VAR_KEYWORD:
            continue
        model = LinearRegression if "Regressor" in kind.__name__ else LogisticRegression
        given[name] = {
            "estimator": model(),
            "base_estimator": model(),
            "estimators": [("a", model()), ("b", model())],
            "transformers": [("a", StandardScaler(), [0, 1])],
            "transformer_list": [("a", StandardScaler())],
            "steps": [("a", StandardScaler()), ("b", LogisticRegression())],
            "param_grid": {"C": [1.0]},
            "param_distributions": {"C": [1.0]},
            "dictionary": np.eye(3),
        }.get(name)
    return kind(**given)


def fitted(kind):
    try:
        one = made(kind)
        if "random_state" in one.get_params():
            one.set_params(random_state=0)
        for data in ((X, Y), (np.round(X * 5), Y), (X[:, 0], Y)):
            try:
                return one.fit(*data), data[0]
            except Exception:
                continue
    except Exception:
        return None, None
    return None, None


@pytest.mark.one_in(3)
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({name for name, _ in all_estimators()}))
def test_an_estimator_is_the_same_after_it_was_used(name):
    kind = dict(all_estimators())[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator, data = fitted(kind)
        if estimator is None:
            pytest.skip("it isn't known how to fit it")
        for method in WHEN_USED:
            if method in ("perplexity", "split") or not hasattr(estimator, method):
                continue
            before, drawn = contents(estimator), str(np.random.get_state()[1:3])
            given = np.array(data)
            for args in ((given, Y), (given,), ()):
                try:
                    found = getattr(estimator, method)(*args)
                    list(found) if hasattr(found, "__next__") else None
                except Exception:
                    continue
                break
            draws = str(np.random.get_state()[1:3]) != drawn
            changed = contents(estimator) != before
            if name in facts.DRAWS_WHEN_USED:
                continue
            assert not draws, method
            assert not changed, method
            assert (given == data).all(), method


class Contents(pickle.Pickler):
    """Pickles without what trees count, which nothing depends on."""

    def reducer_override(self, thing):
        if type(thing).__name__.startswith(("KDTree", "BallTree")):
            return str, (
                repr([one.tolist() for one in thing.__getstate__() if isinstance(one, np.ndarray)]),
            )
        return NotImplemented


def contents(thing):
    """Give what an estimator holds, by value."""
    same = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(thing))))
    vars(same).pop("_stop_words_id", None)  # a note of what was looked at
    written = io.BytesIO()
    Contents(written).dump(same)
    return written.getvalue()


@pytest.mark.one_in(3)
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({name for name, _ in all_estimators()}))
def test_what_draws_random_numbers_without_a_seed_is_refused(name):
    kind = dict(all_estimators())[name]
    parameters = inspect.signature(kind.__init__).parameters
    seeded = "random_state" in parameters and name not in facts.DRAWS_NOT
    if seeded or name in facts.DRAWS_ALWAYS:
        return  # refused
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            one = made(kind)
        except Exception:
            pytest.skip("it isn't known how to make it")
        if name in facts.DRAWS_NOT:
            option, values = facts.DRAWS_NOT[name]
            ways = [{} if value is None else {option: value} for value in values]
        else:
            ways = [{}]
        for way in ways:
            one.set_params(**way)
            drawn = str(np.random.get_state()[1:3])
            try:
                one.fit(X, Y)
            except Exception:
                continue
            assert str(np.random.get_state()[1:3]) == drawn, way


def test_what_changes_an_estimator_is_in_no_other_table():
    harmless = facts.NEW | facts.LINKED | facts.PARTS
    assert harmless.isdisjoint(facts.GIVES_ITSELF | facts.CHANGES_AND_GIVES)
    assert not facts.NEW & facts.LINKED


@pytest.mark.parametrize("name", sorted(facts.GIVES_ITSELF & {"fit", "partial_fit", "set_params"}))
def test_what_gives_the_estimator_itself(name):
    from sklearn.linear_model import SGDClassifier

    one = SGDClassifier(random_state=0)
    args = {"fit": (X, Y), "partial_fit": (X, Y, [0, 1]), "set_params": ()}[name]
    assert getattr(one, name)(*args) is one


PRELUDE = """
import numpy as np, sklearn
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
X = np.random.RandomState(0).rand(60, 4)
y = (X[:, 0] > 0.5).astype(int)
model = LogisticRegression().fit(X, y)
pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
models = {c: LogisticRegression(C=c) for c in (0.1, 1.0)}
forests = [RandomForestClassifier(3), RandomForestClassifier(4)]
scaler = StandardScaler(copy=False).fit(X.copy())
seen = []
def noted(data):
    seen.append(len(data))
    return data
noting = make_pipeline(FunctionTransformer(noted), LogisticRegression()).fit(X, y)
batches = [X[at : at + 10] for at in range(0, 60, 10)]
"""
ACCEPTED = {
    "predictions": "out = [model.predict(b).tolist() for b in batches]",
    "a pipeline": "out = [float(pipe.predict_proba(b)[:, 1].mean().round(6)) for b in batches]",
    "fits": "out = [float(Ridge(alpha=a).fit(X, y).score(X, y)) for a in (0.1, 1.0)]",
    "fits in lines": """
        out = {}
        for c in (0.1, 1.0):
            m = LogisticRegression(C=c)
            m.fit(X, y)
            out[c] = accuracy_score(y, m.predict(X))
        m = None
        """,
    "copies": "out = [float(clone(m).fit(X, y).score(X, y)) for c, m in models.items()]",
    "cross-validation": "out = [float(cross_val_score(LogisticRegression(C=c), X, y, cv=3).mean()) for c in (0.1, 1.0)]",
    "folds": """
        out = []
        for train, test in KFold(3).split(X):
            out.append(float(LogisticRegression().fit(X[train], y[train]).score(X[test], y[test])))
        train = test = None
        """,
    "seeds": """
        out = []
        for seed in range(3):
            a, b, c, d = train_test_split(X, y, random_state=seed)
            out.append(float(RandomForestClassifier(3, random_state=seed).fit(a, c).score(b, d)))
        a = b = c = d = None
        """,
    "a grid": "out = [GridSearchCV(Ridge(), {'alpha': [1, 2]}, cv=k).fit(X, y).best_params_ for k in (2, 3)]",
}
REFUSED = {
    "a fit": (
        "out = [len(model.fit(b, [0, 1] * 5).classes_) for b in batches]",
        "sklearn.base.clone",
    ),
    "fits of a dictionary": ("for c, m in models.items():\n    m.fit(X, y)", "which changes it"),
    "a forest": (
        "out = [RandomForestClassifier(n).fit(X, y).score(X, y) for n in (2, 3)]",
        "random_state",
    ),
    "a split": ("out = [train_test_split(X)[0].sum() for i in range(3)]", "random_state"),
    "what always draws": ("out = [SVC().fit(X, y).score(X, y) for i in range(3)]", "random_state"),
    "clusters": (
        "out = [KMeans(n_clusters=k, n_init=1, random_state=0).fit(X).inertia_ for k in (2, 3)]",
        "how many threads",
    ),
    "copies of forests": ("out = [clone(f).fit(X, y).score(X, y) for f in forests]", "random"),
    "forests in cross-validation": (
        "out = [cross_val_score(f, X, y).mean() for f in forests]",
        "random",
    ),
    "what changes its data": ("out = [scaler.transform(X).sum() for i in range(3)]", "copy=False"),
    "a function in a pipeline": ("out = [noting.predict(b).sum() for b in batches]", "`noted`"),
    "settings": (
        "with sklearn.config_context(transform_output='pandas'):\n    out = [str(type(pipe[0].transform(b))) for b in batches]",
        "",
    ),
}
LEFT = "\nmodel = pipe = models = forests = scaler = noting = f = m = None"


def seeded() -> None:
    np.random.seed(1)


@pytest.mark.parametrize("source", ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("where", ["threads", "processes"])
def test_accepted(source, where):
    left = both(textwrap.dedent(source) + LEFT, where, before=seeded, earlier=PRELUDE)
    assert left.report is not None
    assert [one.reason for one in left.report.steps if one.reason] == []
    assert "parallel" in [one.kind for one in left.report.steps]


@pytest.mark.parametrize(("source", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(source, said):
    left = both(source + LEFT, before=seeded, earlier=PRELUDE)
    assert left.report is not None
    assert left.report.steps[0].kind == "serial"
    assert said in left.report.steps[0].reason


def test_settings_that_workers_do_not_have():
    names: dict[str, object] = {}
    exec(PRELUDE, names)
    cell = "out = [pipe.predict(b) for b in batches]"
    assert plan(cell, names).steps[0].kind == "parallel"
    with sklearn.config_context(transform_output="pandas"):
        assert "set_config" in plan(cell, names).steps[0].reason
