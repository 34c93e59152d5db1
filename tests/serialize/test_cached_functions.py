"""Caches of functools, by value: the parameters and attributes, but not what was computed."""

from __future__ import annotations

import functools

import pytest

from nbexec.serialize import cached_functions, pickling, returning


def test_an_importable_cache_goes_by_its_name():
    import fnmatch

    of_a_library = fnmatch._compile_pattern
    assert type(of_a_library) is cached_functions.KIND
    assert pickling.loads(pickling.dumps(of_a_library)) is of_a_library


@pytest.mark.parametrize("maxsize", [None, 0, 5])
@pytest.mark.parametrize("typed", [False, True])
def test_parameters_and_attributes_come_along(maxsize, typed):
    @functools.lru_cache(maxsize, typed)
    def double(x):
        """Double it."""
        return 2 * x

    double.extra = 7
    double(1)
    again = pickling.loads(pickling.dumps(double))
    assert again is not double
    assert again.cache_parameters() == double.cache_parameters()
    assert (again.__name__, again.__doc__, again.extra) == ("double", "Double it.", 7)
    assert again.cache_info()[:2] == (0, 0)
    assert again(4) == 8


def test_one_in_a_worker_that_holds_results_is_no_exact_value():
    @functools.cache
    def double(x):
        return 2 * x

    assert not cached_functions.is_used(double)
    returning.dumps(double, exact=True)
    double(1)
    assert cached_functions.is_used(double)
    with pytest.raises(Exception, match="holds results"):
        returning.dumps(double, exact=True)
    assert pickling.loads(returning.dumps(double))(4) == 8
