"""Facts about what methods of arrays, and functions of NumPy, do, by name: data.

What isn't listed may change what it is called on, and give anything.
"""

from __future__ import annotations

from .library_facts import words

# Methods of an array that give something new.
METHODS_NEW = words("""
    all any argmax argmin argpartition argsort astype choose clip compress
    copy cumprod cumsum dot dumps flatten item max mean min nonzero prod ptp repeat round
    searchsorted std sum take tobytes tolist trace var
""")
# Methods that may give a view of the array, or the array itself.
METHODS_LINKED = words("""
    conj conjugate diagonal getfield newbyteorder ravel reshape squeeze swapaxes
    to_device transpose view
""")
VIEWS = words("T base flat imag mT real")
FACTS_OF = words("device dtype itemsize nbytes ndim shape size strides")
CHANGING = {
    "byteswap": "",
    "fill": "`np.full_like` gives a new one",
    "itemset": "",
    "partition": "`np.partition` gives a new one",
    "put": "",
    "resize": "`np.resize` gives a new one",
    "setfield": "",
    "setflags": "",
    "sort": "`np.sort` gives a new one",
}

# Where the array to write to stands among the arguments of a method, if not by its name.
OUT = {
    **dict.fromkeys(("argmax", "argmin", "all", "any", "choose", "dot", "max", "min"), 1),
    **dict.fromkeys(("ptp", "round"), 1),
    **dict.fromkeys(("clip", "compress", "cumprod", "cumsum", "mean", "prod", "std", "sum"), 2),
    **dict.fromkeys(("take", "var"), 2),
    "trace": 4,
}
# The same of functions: one later for the array itself, and some that are no methods.
FUNCTIONS_OUT = {name: at + 1 for name, at in OUT.items()} | {
    "amax": 2,
    "amin": 2,
    "around": 2,
    "concatenate": 2,
    **{f"fft.{name}": 4 for name in ("fft", "fft2", "ifft", "ifft2", "irfft", "rfft")},
    "fix": 1,
    "isneginf": 1,
    "isposinf": 1,
    "median": 2,
    "nanargmax": 2,
    "nanargmin": 2,
    "nancumprod": 3,
    "nancumsum": 3,
    "nanmax": 2,
    "nanmean": 3,
    "nanmedian": 2,
    "nanmin": 2,
    "nanpercentile": 3,
    "nanprod": 3,
    "nanquantile": 3,
    "nanstd": 3,
    "nansum": 3,
    "nanvar": 3,
    "outer": 2,
    "percentile": 3,
    "quantile": 3,
    "stack": 2,
}

# Functions that give something new, which shares no memory with what they are given.
FUNCTIONS_NEW = words("""
    all allclose amax amin any append apply_along_axis apply_over_axes arange argmax argmin
    argpartition argsort argwhere array array_equal around average bincount choose clip
    column_stack compress concatenate convolve copy corrcoef correlate count_nonzero cov
    cross cumprod cumsum delete diff digitize dot dstack ediff1d empty empty_like extract
    eye flatnonzero full full_like gradient histogram histogram2d histogram_bin_edges hstack
    identity in1d inner insert interp intersect1d isclose isin iscomplex isreal kron lexsort
    linspace logspace geomspace max mean median min nanargmax nanargmin nancumprod nancumsum
    nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar
    nonzero ones ones_like outer pad partition percentile polyfit polyval prod ptp quantile
    repeat roll round searchsorted select setdiff1d setxor1d sort stack std sum take
    tensordot tile trace trapezoid trapz tri tril triu union1d unique unwrap vander var vdot
    vstack where zeros zeros_like linalg.cholesky linalg.cond linalg.det linalg.eig
    linalg.eigh linalg.eigvals linalg.eigvalsh linalg.inv linalg.lstsq
    linalg.matrix_rank linalg.norm linalg.pinv linalg.qr linalg.slogdet linalg.solve
    linalg.svd fft.fft fft.fft2 fft.fftfreq fft.fftshift fft.ifft fft.ifft2 fft.ifftshift
    fft.irfft fft.rfft fft.rfftfreq
""")
# Functions that may give a view of what they are given, or the thing itself.
FUNCTIONS_LINKED = words("""
    array_split asanyarray asarray ascontiguousarray asfortranarray atleast_1d atleast_2d
    atleast_3d broadcast_arrays broadcast_to diag diagonal dsplit einsum expand_dims flip
    fliplr flipud hsplit imag meshgrid moveaxis ravel real reshape rollaxis rot90 split
    squeeze swapaxes transpose vsplit linalg.matrix_power
""")
# The same of `overwrite_input`, which lets them change what they are given.
OVERWRITING = {
    **dict.fromkeys(("median", "nanmedian"), 3),
    **dict.fromkeys(("nanpercentile", "nanquantile", "percentile", "quantile"), 4),
}
# With `copy` not true they give, or change, what they are given.
COPYING = {"array": "linked", "nan_to_num": "changed"}

# Methods of a ufunc that change nothing but what `out` is; `at` changes its first argument.
UFUNC_METHODS = {"accumulate": 3, "outer": 99, "reduce": 3, "reduceat": 4}

# What a generator of random numbers draws is new, but for a `choice` among what it is given.
DRAWS = words("""
    beta binomial bytes chisquare choice dirichlet exponential f gamma geometric gumbel
    hypergeometric integers laplace logistic lognormal logseries multinomial
    multivariate_normal negative_binomial noncentral_chisquare normal pareto permutation
    permuted poisson power rand randint randn random random_sample rayleigh standard_cauchy
    standard_exponential standard_gamma standard_normal standard_t triangular uniform
    vonmises wald weibull zipf
""")

# Of an array of objects they may give one of them.
PICKING = words("""
    all amax amin any average choose dot inner item max mean median min nanmax nanmin nansum
    percentile prod ptp quantile select std sum take trace var vdot where
""")
