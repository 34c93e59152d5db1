"""Rows that a model validates are what a plain loop over them gives, on every backend.

Covers `nbexec.records.validators`, `nbexec.records.field_errors` and
`nbexec.records.failure_list`.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import sys
from typing import Annotated, Literal

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.placement import profiles
from nbexec.records.field_errors import field_errors
from nbexec.records.validators import direct, is_validation_error


class Order(pydantic.BaseModel):
    number: int
    country: Literal["de", "fr"]
    day: datetime.date = datetime.date(2026, 11, 1)
    tags: list[int] = []


class StrictOrder(Order):
    model_config = pydantic.ConfigDict(strict=True)


class Named(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    number: int = pydantic.Field(alias="country")


class Open(Named):
    model_config = pydantic.ConfigDict(extra="allow", populate_by_name=True)


class Cat(pydantic.BaseModel):
    country: Literal["de"]
    number: int


class Dog(pydantic.BaseModel):
    country: Literal["fr"]
    number: float


Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="country")]


class Checked(Order):
    """Has validators of its own, which count their calls in the context."""

    @pydantic.field_validator("number", mode="before")
    @classmethod
    def counted(cls, value, info):
        if info.context is not None:
            info.context.append(value)
        return value

    @pydantic.model_validator(mode="after")
    def small(self):
        if self.number > 5:
            raise ValueError("too many")
        return self


class Overridden(Order):
    @classmethod
    def model_validate(cls, obj, **options):
        return "mine"


FUNCTIONS = {
    "plain": Order.model_validate,
    "strict model": StrictOrder.model_validate,
    "strict call": functools.partial(Order.model_validate, strict=True),
    "extra forbidden": Named.model_validate,
    "extra allowed": Open.model_validate,
    "discriminated": pydantic.TypeAdapter(Pet).validate_python,
    "validators": Checked.model_validate,
    "list": pydantic.TypeAdapter(list[Order]).validate_python,
    "own method": Overridden.model_validate,
    "by name": functools.partial(Open.model_validate, by_name=True),
}
VALUES = st.sampled_from([1, "2", 7, 2.5, "x", None, "de", "fr", [1], ["3", "y"], "2026-11-02"])
NAMES = st.sampled_from(["number", "country", "day", "tags", "other"])
ROWS = st.one_of(st.dictionaries(NAMES, VALUES), VALUES)
PROBABLE = st.builds(
    lambda row, changes: {**row, **changes},
    st.sampled_from([{"number": 1, "country": "de"}, {"number": "4", "country": "fr"}]),
    st.dictionaries(NAMES, VALUES, max_size=1),
)


def outcome(fn, row):
    """Give what a plain call gives, or raises, in a form that can be compared."""
    try:
        return "value", fn(row)
    except pydantic.ValidationError as error:
        return "error", str(error), repr(error.errors(include_url=False))


def as_outcome(result):
    if not isinstance(result, nbexec.Failure):
        return "value", result
    error = result.exception
    assert type(error) is pydantic.ValidationError
    return "error", str(error), repr(error.errors(include_url=False))


@pytest.mark.parametrize("name", FUNCTIONS)
@given(rows=st.lists(ROWS | PROBABLE, max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_row_is_validated_as_by_the_method_itself(name, rows):
    fn = FUNCTIONS[name]
    assert [outcome(direct(fn), row) for row in rows] == [outcome(fn, row) for row in rows]


@given(st.sampled_from([*FUNCTIONS]), st.lists(PROBABLE, max_size=40))
@settings(max_examples=25, deadline=None)
def test_a_stream_is_what_a_plain_loop_gives(name, rows):
    fn = FUNCTIONS[name]
    results = nbexec.imap(fn, iter(rows), on_error="collect", backend="serial")
    assert [as_outcome(one) for one in results] == [outcome(fn, row) for row in rows]


def test_the_method_of_a_validator_is_found_where_nothing_is_in_between():
    for fn in (Order.model_validate, Order.model_validate_json, Checked.model_validate):
        assert type(direct(fn).__self__).__name__ == "SchemaValidator", fn
    adapter = pydantic.TypeAdapter(Pet)
    assert direct(adapter.validate_json) == adapter.validator.validate_json
    given = direct(FUNCTIONS["strict call"])
    assert given.func == Order.__pydantic_validator__.validate_python
    for name in ("own method", "by name"):
        assert direct(FUNCTIONS[name]) is FUNCTIONS[name]
    for fn in (len, Order, Order.model_dump, str.upper, functools.partial(int, base=2)):
        assert direct(fn) is fn


def test_it_is_found_in_a_worker_too(sent):
    if sent == "interpreters":
        pytest.skip("pydantic can't be imported in a subinterpreter")
    results = nbexec.map(Order.model_validate, [BAD], on_error="collect", backend=sent)
    assert results.failures[0].traceback.startswith("pydantic_core.")  # no frame of pydantic's


def test_models_are_told_apart_by_what_is_remembered_of_them():
    functions = [FUNCTIONS[name] for name in ("plain", "strict model", "discriminated", "list")]
    keys = [profiles.key_of(fn) for fn in functions]
    assert len({*keys}) == len(keys)
    assert keys[0] == profiles.key_of(FUNCTIONS["strict call"])


def test_a_model_that_is_still_to_be_built_is_called_as_it_is():
    class Later(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(defer_build=True)
        number: int

    results = nbexec.map(Later.model_validate, [{"number": "1"}], backend="serial")
    assert results == [Later(number=1)]


@pytest.mark.parametrize("backend", ["serial", "threads"])
def test_a_validator_of_the_users_is_called_once_a_row_with_its_context(backend):
    calls = []
    fn = functools.partial(Checked.model_validate, context=calls)
    rows = [{"number": at % 8, "country": "de"} for at in range(100)]
    results = nbexec.imap(fn, iter(rows), on_error="collect", backend=backend)
    assert len(list(results.ok())) == sum(row["number"] <= 5 for row in rows)
    numbers = [row["number"] for row in rows]
    assert calls == numbers if backend == "serial" else sorted(calls) == sorted(numbers)


BAD = {"number": "x", "country": "at", "tags": [1, "y"]}


def test_bad_rows_are_set_apart_on_every_backend(backend):
    if backend == "interpreters":
        pytest.skip("pydantic can't be imported in a subinterpreter")
    rows = [{"number": str(at), "country": "de"} for at in range(60)]
    rows[7] = rows[40] = BAD
    options = {"on_error": "collect", "backend": backend}
    results = nbexec.imap(Order.model_validate, iter(rows), **options)
    good = list(results.ok())
    assert good == [Order.model_validate(row) for row in rows if row is not BAD]
    assert results.run.stats.failed == 2
    for failures in (
        results.failures,
        nbexec.map(Order.model_validate, rows, **options).failures,
    ):
        assert [one.index for one in failures] == [7, 40]
        assert [(row, field) for row, field, *_ in failures.errors()] == [
            (row, field) for row in (7, 40) for field in ("number", "country", "tags.1")
        ]
        assert [one.input for one in failures.errors()] == ["x", "at", "y"] * 2
        assert str(failures[0].exception) == outcome(Order.model_validate, BAD)[1]
        assert str(failures[0].exception) in failures[0].traceback


def test_who_takes_the_results_themselves_has_failures_in_their_places():
    rows = [{"number": 1, "country": "de"}, BAD]
    results = nbexec.imap(Order.model_validate, rows, on_error="collect")
    assert next(results) == Order(number=1, country="de")
    assert [one.index for one in results] == [1]
    assert [one.index for one in results.failures] == [1]
    results.close()


def test_a_failure_that_an_item_returned_is_its_value():
    theirs = nbexec.Failure(0, None, ValueError("theirs"), run="another")
    results = nbexec.imap(lambda x: theirs, [1], on_error="collect", backend="serial")
    assert list(results.ok()) == [theirs]


def test_closing_the_good_ones_cancels_what_is_left():
    rows = ({"number": 1, "country": "de"} for _ in iter(int, 1))
    results = nbexec.imap(Order.model_validate, rows, on_error="collect", window=10)
    good = results.ok()
    assert next(good).number == 1
    good.close()
    assert results.run.done


def test_the_frame_has_a_row_for_each_field_that_is_wrong():
    pandas = pytest.importorskip("pandas")
    rows = [BAD, {"number": 1, "country": "de"}, 5]
    failures = nbexec.map(Order.model_validate, rows, on_error="collect").failures
    frame = failures.to_frame()
    assert list(frame) == ["row", "field", "error", "input"]
    assert list(frame["row"]) == [0, 0, 0, 2]
    assert list(frame["field"]) == ["number", "country", "tags.1", ""]
    assert frame["error"][1] == "Input should be 'de' or 'fr'"
    assert frame["input"][3] == 5
    none = nbexec.map(len, [""], on_error="collect").failures.to_frame()
    assert list(none) == list(frame)
    assert len(none) == 0
    assert list(pandas.concat([none, frame])["row"]) == [0, 0, 0, 2]


def test_lines_of_json_are_validated():
    lines = ['{"number": 1, "country": "de"}', "{", b'{"number": "x", "country": "fr"}']
    results = nbexec.imap(Order.model_validate_json, lines, on_error="collect")
    assert list(results.ok()) == [Order(number=1, country="de")]
    assert [(row, field) for row, field, *_ in results.failures.errors()] == [
        (1, ""),
        (2, "number"),
    ]


@dataclasses.dataclass
class Point:
    x: int


def test_an_error_that_names_no_field_is_about_the_row():
    row = {"y": 1}
    (failure,) = nbexec.map(lambda row: Point(**row), [row], on_error="collect").failures
    ((index, field, error, given),) = field_errors(failure)
    assert (index, field, given) == (0, "", row)
    assert error.startswith("TypeError: ")
    assert "unexpected keyword" in error


def test_a_users_frames_are_in_the_traceback_of_what_is_raised_in_a_function():
    def checked(row):
        return Order.model_validate(row)

    (failure,) = nbexec.map(checked, [BAD], on_error="collect", backend="serial").failures
    assert "in checked" in failure.traceback
    assert [one.field for one in field_errors(failure)] == ["number", "country", "tags.1"]


def test_good_rows_come_from_the_journal_and_bad_ones_are_validated_again(tmp_path):
    rows = [{"number": at, "country": "de"} for at in range(50)]
    rows[9] = BAD
    options = {"on_error": "collect", "checkpoint": tmp_path / "rows.db"}
    first = nbexec.imap(Order.model_validate, iter(rows), **options)
    good = [next(first) for _ in range(9)]
    first.close()  # as a kill would, but that what had ended is surely in the file
    again = nbexec.imap(Order.model_validate, iter(rows), **options)
    assert list(again.ok())[:9] == good
    assert [one.index for one in again.failures] == [9]
    assert again.run.stats.restored >= 9
    assert again.run.stats.done == 49


def test_msgspec_says_one_field(tmp_path):
    msgspec = pytest.importorskip("msgspec")
    Inner = msgspec.defstruct("Inner", [("zip", int)])
    Outer = msgspec.defstruct("Outer", [("name", str), ("homes", list[Inner]), ("ages", dict)])
    fn = functools.partial(msgspec.convert, type=Outer)
    good = {"name": "a", "homes": [{"zip": 1}], "ages": {}}
    rows = [good, {**good, "homes": [{"zip": 1}, {"zip": "x"}]}, {"name": "a"}, 3]
    failures = nbexec.map(fn, rows, on_error="collect", backend="serial").failures
    assert [tuple(one) for one in failures.errors()] == [
        (1, "homes.1.zip", "Expected `int`, got `str`", "x"),
        (2, "", "Object missing required field `homes`", rows[2]),
        (3, "", "Expected `object`, got `int`", 3),
    ]
    decoded = nbexec.map(msgspec.json.Decoder(Inner).decode, ["{}", '{"zip": 4}'],
                         on_error="collect", backend="serial")  # fmt: skip
    assert decoded.ok() == [Inner(4)]


def test_only_what_a_model_raises_is_its_verdict():
    class ValidationError(Exception):
        pass

    assert not is_validation_error(ValidationError("of another library"))
    assert is_validation_error(_caught(BAD))


def _caught(row):
    try:
        Order.model_validate(row)
    except pydantic.ValidationError as error:
        return error


def test_nothing_of_it_is_loaded_for_other_functions():
    code = "import sys, nbexec; nbexec.map(len, ['a'], backend='serial'); print(*sys.modules)"
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded
    assert not {"pydantic", "msgspec", "pyarrow", "pandas"} & loaded, done.stderr
