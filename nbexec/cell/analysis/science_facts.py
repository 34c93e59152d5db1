"""Facts about what objects of SciPy and NetworkX do, by name: data."""

from __future__ import annotations

from .library_facts import words

# Distributions of scipy.stats, and those with their parameters fixed.
DISTRIBUTIONS = {"rv_frozen", "rv_generic"}
DISTRIBUTION_NEW = words("""
    cdf entropy fit interval isf logcdf logpdf logpmf logsf mean median moment nnlf pdf pmf
    ppf sf stats std support var
""")

# Sparse matrices; those that first put their entries in order are left out.
SPARSE = {"_spbase", "spmatrix"}
SPARSE_NEW = words("copy count_nonzero diagonal dot getnnz mean sum toarray todense trace")
ORDERING_COO = words("count_nonzero sum")  # they put the entries of a `coo` in order first
SPARSE_FACTS = words("dtype format ndim nnz shape size")

# Graphs.
GRAPHS = {"Graph"}
GRAPH_NEW = words("""
    has_edge has_node has_predecessor has_successor is_directed is_multigraph
    number_of_edges number_of_nodes order size
""")
GRAPH_LINKED = words("""
    adj adjacency copy degree edge_subgraph edges get_edge_data in_degree in_edges
    nbunch_iter neighbors nodes out_degree out_edges pred predecessors reverse subgraph succ
    successors to_directed to_undirected
""")
