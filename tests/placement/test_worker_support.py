"""Options about workers: what they must be, and which backends can do them.

Covers `nbexec.options.worker_options` and `nbexec.placement.worker_support`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import nbexec
from nbexec.backends import get_backend
from nbexec.errors import OptionError
from nbexec.notebook import flags
from nbexec.options.record import Options
from nbexec.options.worker_options import WorkerOptions
from nbexec.placement import worker_support
from nbexec.system import affinity

GIVEN = {
    "pin": True,
    "env": {"STAGE": "test"},
    "worker_name": "resize",
    "recycle_after": 3,
    "recycle_above": "2 GB",
}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("pin", 1, "pin must be True or False, not 1"),
        ("env", 3, "env must be a dict of environment variables"),
        ("env", "OMP_NUM_THREADS", "env must be a dict of environment variables"),
        ("env", {"OMP_NUM_THREADS": 1}, "env must have strings as names and values"),
        ("env", {"A=B": "1"}, "env must have strings as names and values"),
        ("worker_name", 3, "worker_name must be a string"),
        ("recycle_after", 0, "recycle_after must be an integer of at least 1, not 0"),
        ("recycle_above", "much", "recycle_above must be bytes"),
    ],
)
def test_a_value_that_cannot_be_used(name, value, why):
    with pytest.raises(OptionError, match=why):
        Options(**{name: value})


def test_a_chunk_is_for_one_worker():
    with pytest.raises(OptionError, match="chunk=9 is more than recycle_after=3"):
        Options(chunk=9, recycle_after=3)
    assert Options(chunk=3, recycle_after=3).worker_options.recycles


def test_an_environment_is_a_dict_or_a_text():
    text = Options(env="B=2, A = 1").worker_options.env
    assert text == Options(env={"A": "1", "B": "2"}).worker_options.env == (("A", "1"), ("B", "2"))


def test_a_worker_that_has_had_nothing_is_not_worn():
    limits = WorkerOptions(recycle_after=2, recycle_above=100)
    assert not limits.worn(0, 5, 500)
    assert limits.worn(1, 2)
    assert limits.worn(1, 1, 101)
    assert not limits.worn(1, 1, 100)


def test_they_are_flags_of_the_magics():
    line = "--pin --env 'A=1, B=2' --worker-name w --recycle-after 5 --recycle-above 2GB f(x)"
    given, rest = flags.parse(line)
    assert given == {
        "pin": True,
        "env": "A=1, B=2",
        "worker_name": "w",
        "recycle_after": 5,
        "recycle_above": "2GB",
    }
    assert rest == "f(x)"


@pytest.mark.parametrize("name", GIVEN)
def test_what_a_backend_cannot_do_is_said_before_anything_runs(name, backend, tmp_path):
    if name in get_backend(backend).takes:
        return
    with pytest.raises(OptionError, match=f"{name}=.* does not work with backend=.{backend}") as e:
        nbexec.map(
            lambda x: (tmp_path / "ran").touch(), [1], backend=backend, **{name: GIVEN[name]}
        )
    assert "'processes'" in str(e.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["pin", "env", "recycle_after", "recycle_above"])
def test_auto_may_stay_in_the_kernel(name):
    with pytest.raises(OptionError, match=f"{name}=.* needs a backend of its own name"):
        nbexec.map(abs, [1], backend="auto", **{name: GIVEN[name]})


def test_a_pool_of_others_has_no_teardown():
    with ThreadPoolExecutor(1) as pool, pytest.raises(OptionError, match="teardown does not work"):
        nbexec.map(abs, [1], backend=pool, teardown=print)


def test_each_option_is_known_to_those_who_check_it():
    assert {*worker_support.WHO} == {*GIVEN, "teardown"}


def test_pin_needs_a_system_that_can(monkeypatch):
    monkeypatch.setattr(affinity, "possible", lambda: False)
    with pytest.raises(OptionError, match="pin=True needs a system that can, such as Linux"):
        nbexec.map(abs, [1], backend="threads", pin=True)


def test_a_cell_says_so_before_it_begins():
    names = {}
    with pytest.raises(OptionError, match="env= is not for cells"):
        nbexec.parallel("x = 1", names, backend="processes", env="A=1")
    with pytest.raises(OptionError, match="recycle_after=3 needs a backend of its own name"):
        nbexec.parallel("x = 1", names, recycle_after=3)
    with pytest.raises(OptionError, match=r"recycle_above=.* does not work with backend='threads'"):
        nbexec.parallel("x = 1", names, backend="threads", recycle_above="2 GB")
    assert "x" not in names
    given = {"backend": "threads", "recycle_after": 2, "worker_name": "cell"}
    nbexec.parallel("xs = [x + 1 for x in range(5)]", names, **given)
    assert names["xs"] == [1, 2, 3, 4, 5]
