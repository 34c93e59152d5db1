"""What a weak reference of a run refers to is held in a worker, until the run has ended."""

from __future__ import annotations

import gc
import weakref

import pytest

from nbexec.serialize import cloud_pickler, pickling, weak_references


class Thing:
    pass


def sent(value, run="a-run"):
    data, _ = pickling.dumps_apart(value, cloud_pickler.Sent(run))
    return pickling.loads(data)


@pytest.mark.parametrize(
    "make",
    [
        weakref.ref,
        lambda thing: weakref.WeakSet([thing]),
        lambda thing: weakref.WeakKeyDictionary({thing: 1}),
        lambda thing: weakref.WeakValueDictionary(key=thing),
    ],
)
def test_it_is_held_until_the_run_is_forgotten(make):
    thing = Thing()
    arrived = sent(make(thing))
    gc.collect()
    (found,) = weak_references.content(arrived)
    assert found is not None
    del found
    weak_references.forget("a-run")
    gc.collect()
    assert [*weak_references.content(arrived)] in ([], [None])


def test_one_object_has_one_reference():
    thing = Thing()
    reference, proxy, itself = sent((weakref.ref(thing), weakref.proxy(thing), thing))
    assert reference() is itself
    assert weak_references.content(proxy)[0] is itself


def test_what_is_gone_is_gone():
    reference, proxy = sent((weakref.ref(Thing()), weakref.proxy(Thing())))
    assert reference() is None
    assert weak_references.content(proxy) == ()


def test_without_a_run_nothing_can_be_held():
    thing = Thing()
    with pytest.raises(TypeError, match="weakref"):
        pickling.dumps(weakref.ref(thing))
