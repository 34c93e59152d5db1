"""What `science_facts` says of SciPy and NetworkX, tried on those that are installed."""

from __future__ import annotations

import pickle
import textwrap

import numpy as np
import pytest

from nbexec.cell.analysis import science_facts as facts

from ..both_ways import both, kind, reason
from .samples import Samples, unchanged


def one(*args, **keywords):
    return (args, keywords)


@pytest.mark.parametrize("name", sorted(facts.DISTRIBUTION_NEW))
def test_a_distribution_is_the_same_after_it_was_used(name):
    stats = pytest.importorskip("scipy.stats")
    samples: Samples = {
        "fit": [one(np.array([1.0, 2.0, 3.0]))],
        "interval": [one(0.9)],
        "moment": [one(2)],
        "nnlf": [one((0.0, 1.0), np.array([1.0]))],
    }
    points = np.array([0.25, 0.5])
    for at in facts.DISTRIBUTION_NEW - {
        "entropy",
        "mean",
        "median",
        "std",
        "var",
        "stats",
        "support",
    }:
        samples.setdefault(at, [one(points), one(points, 3), one(points, 3, 0.5)])
    makers = [
        lambda: stats.norm,
        lambda: stats.norm(1, 2),
        lambda: stats.binom(3, 0.5),
        lambda: stats.binom,
    ]
    before = str(np.random.get_state()[1:3])
    assert unchanged(makers, name, samples, lambda thing: (pickle.dumps(thing), points.tolist()))
    assert str(np.random.get_state()[1:3]) == before


@pytest.mark.parametrize("name", sorted(facts.SPARSE_NEW))
@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "lil", "dok"])
def test_a_sparse_matrix_is_the_same_after_it_was_used(name, layout):
    sparse = pytest.importorskip("scipy.sparse")

    def make():
        """Make one with entries out of order, and one twice."""
        row, column = np.array([2, 0, 0, 0, 2]), np.array([1, 2, 0, 2, 0])
        return sparse.coo_matrix((np.arange(5.0) + 1, (row, column)), shape=(3, 3)).asformat(layout)

    def state(thing):
        kept = dict(vars(thing))
        return pickle.dumps(
            [
                (key, value.tolist() if hasattr(value, "tolist") else repr(value))
                for key, value in sorted(kept.items())
            ]
        )

    if layout == "coo" and name in facts.ORDERING_COO:
        return
    samples: Samples = {"dot": [one(np.ones(3)), one(make())]}
    for thing, found in unchanged([make], name, samples, state):
        before = state(thing)
        if isinstance(found, np.ndarray) and found.flags.writeable:
            found[...] = -1
        if sparse.issparse(found) and hasattr(found, "data"):
            found.data[...] = -1
        assert state(thing) == before, f"`{name}` gives a part of it"


@pytest.mark.parametrize("name", sorted(facts.GRAPH_NEW | facts.GRAPH_LINKED))
def test_a_graph_is_the_same_after_it_was_used(name):
    nx = pytest.importorskip("networkx")
    makers = []
    for type_ in (nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph):
        makers.append(lambda type_=type_: type_([(0, 1, {"w": 1}), (1, 2, {"w": 2})]))
    samples: Samples = {
        "edge_subgraph": [one([(0, 1)])],
        "get_edge_data": [one(0, 1)],
        "has_edge": [one(0, 1)],
        "has_node": [one(0)],
        "has_predecessor": [one(1, 0)],
        "has_successor": [one(0, 1)],
        "neighbors": [one(0)],
        "predecessors": [one(1)],
        "subgraph": [one([0, 1])],
        "successors": [one(0)],
    }
    shown = lambda graph: (list(graph.nodes(data=True)), list(graph.edges(data=True)), graph.graph)
    assert unchanged(makers, name, samples, lambda graph: repr(shown(graph))) or name in (
        "adj",
        "pred",
        "succ",
    )


CELLS = {
    "a distribution": (
        "scipy.stats",
        "from scipy import stats\nps = [0.1, 0.2]",
        "out = [stats.norm.ppf(p).round(6).item() for p in ps]",
    ),
    "a sparse matrix": (
        "scipy.sparse",
        "from scipy import sparse\nm = sparse.eye(4).tocsr()",
        "out = [m[i].dot(m.T).toarray().sum().item() for i in range(4)]",
    ),
    "a graph": (
        "networkx",
        "import networkx as nx\ng = nx.path_graph(5)",
        "out = [(g.degree(n), len(list(g.neighbors(n))), nx.shortest_path_length(g, 0, n)) for n in g.nodes()]",
    ),
}


@pytest.mark.parametrize(("needs", "earlier", "cell"), CELLS.values(), ids=CELLS)
def test_accepted(needs, earlier, cell):
    pytest.importorskip(needs)
    left = both(cell + "\nm = g = None", earlier=textwrap.dedent(earlier))
    assert left.report is not None
    assert left.report.steps[0].kind == "parallel", left.report.steps[0].reason


def test_random_numbers_without_a_seed():
    pytest.importorskip("scipy")
    pytest.importorskip("networkx")
    for cell in (
        "from scipy import stats\nout = [stats.norm.rvs() for i in range(3)]",
        "import networkx as nx\nout = [nx.gnp_random_graph(5, 0.5).number_of_edges() for i in range(3)]",
    ):

        def seed():
            import random

            np.random.seed(1)
            random.seed(1)

        left = both(cell, before=seed)
        assert kind(left) == "serial"
        assert "random numbers" in reason(left) or "can't be looked into" in reason(left)
