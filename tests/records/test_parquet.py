"""Rows in Parquet, in pieces: both files are whole, or neither is there.

Covers `nbexec.records.parquet`, `nbexec.records.arrow_rows` and `nbexec.records.kept_values`.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import typing
import uuid

import pydantic
import pytest

import nbexec
from nbexec.records import arrow_rows, parquet

pyarrow = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


class Colour(enum.Enum):
    RED = "red"


class Part(pydantic.BaseModel):
    size: int


class Order(pydantic.BaseModel):
    number: int
    amount: float | None = None
    day: datetime.date | None = None
    tags: list[str] = []
    part: Part = Part(size=1)
    colour: Colour = Colour.RED
    key: uuid.UUID = uuid.UUID(int=7)


ROWS = [{"number": at} for at in range(25)]
BAD = {"number": "x", "amount": [1]}


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(parquet, "PIECE", 10)


def stream(rows, fn=Order.model_validate, **options):
    return nbexec.imap(fn, iter(rows), on_error="collect", backend="serial", **options)


def test_good_rows_and_errors_go_to_files_in_pieces(tmp_path, small_pieces):
    rows = [*ROWS[:5], BAD, *ROWS[5:], {"number": 25, "amount": 1.5, "tags": ["a"]}]
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    results = stream(rows)
    assert results.to_parquet(good, failures=bad) == 26
    table = pq.read_table(good)
    assert table["number"].to_pylist() == [*range(26)]
    assert table["part"].to_pylist() == [{"size": 1}] * 26
    assert table["colour"].to_pylist() == ["red"] * 26
    assert table["amount"].to_pylist() == [None] * 25 + [1.5]  # of the annotation's type
    assert table["tags"].to_pylist() == [[]] * 25 + [["a"]]
    assert table.schema.field("day").type == pyarrow.date32()
    assert pq.ParquetFile(good).num_row_groups == 3
    errors = pq.read_table(bad).to_pylist()
    assert [(one["row"], one["field"], one["input"]) for one in errors] == [
        (5, "number", "x"),
        (5, "amount", "[1]"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.parquet", "good.parquet"]
    assert not results.failures  # they are in the file


def test_rows_are_written_as_they_come(tmp_path, small_pieces, monkeypatch):
    pulled, at_each_piece, batch = [], [], arrow_rows.batch

    def rows():
        for row in 4 * ROWS:
            pulled.append(row)
            yield row

    def written(*given):
        at_each_piece.append(len(pulled))
        return batch(*given)

    monkeypatch.setattr(arrow_rows, "batch", written)
    assert stream(rows(), window=10).to_parquet(tmp_path / "a.parquet") == 100
    assert len(at_each_piece) == 10
    assert all(count <= 10 * at + 10 for at, count in enumerate(at_each_piece, 1))


def test_without_a_file_failures_are_kept(tmp_path):
    results = stream([BAD, *ROWS])
    assert results.to_parquet(tmp_path / "good.parquet") == 25
    assert [one.index for one in results.failures] == [0]


def test_a_list_of_results_is_written_too(tmp_path):
    results = nbexec.map(Order.model_validate, [*ROWS, BAD], on_error="collect")
    assert results.to_parquet(tmp_path / "a.parquet", failures=tmp_path / "b.parquet") == 25
    assert len(pq.read_table(tmp_path / "a.parquet")) == 25
    assert len(pq.read_table(tmp_path / "b.parquet")) == 2


def test_no_rows_make_a_file_of_none(tmp_path):
    assert stream([]).to_parquet(tmp_path / "a.parquet", failures=tmp_path / "b.parquet") == 0
    assert len(pq.read_table(tmp_path / "a.parquet")) == len(pq.read_table(tmp_path / "b.parquet"))


@pytest.mark.parametrize("failures", [None, "bad.parquet"])
def test_after_an_error_there_is_no_file(tmp_path, small_pieces, failures):
    def rows():
        yield from ROWS
        raise OSError("the disk is gone")

    results = stream(rows())
    (tmp_path / "good.parquet").write_text("what was there before")
    with pytest.raises(nbexec.ItemsError):
        results.to_parquet(tmp_path / "good.parquet", failures=failures and tmp_path / failures)
    assert [path.name for path in tmp_path.iterdir()] == ["good.parquet"]
    assert (tmp_path / "good.parquet").read_text() == "what was there before"
    assert results.run.done


def test_what_a_kill_left_is_written_anew_and_only_the_rest_is_validated(tmp_path, small_pieces):
    path, journal = tmp_path / "good.parquet", tmp_path / "rows.db"
    writer = parquet.PieceWriter(path)
    first = stream(ROWS, checkpoint=journal)
    for _ in range(15):
        writer.add(next(first))
    first.close()
    del writer  # nobody finishes it, as after a kill
    assert [one.name for one in tmp_path.glob("*.part")] == ["good.parquet.part"]
    assert not path.exists()
    again = stream(ROWS, checkpoint=journal)
    assert again.to_parquet(path) == 25
    assert again.run.stats.restored >= 15
    assert pq.read_table(path)["number"].to_pylist() == [*range(25)]
    assert not [*tmp_path.glob("*.part")]


@pytest.mark.parametrize(
    ("rows", "fn", "said"),
    [
        ([{"a": 1}, {"a": "x"}], dict, r"field 'a'"),
        ([{"a": 1}] * 10 + [{"a": "x"}], dict, r"field 'a' .*int64"),
        ([{"a": 1}] * 10 + [{"b": 1}], dict, r"field 'b' is not in the schema"),
        ([{"a": 1}], len, r"not int"),
        ([{1: 1}], dict, r"field 1 "),
        ([{"a": {}}], dict, r"field 'a' has empty dicts"),
        ([{"a": "\ud800"}], dict, r"field 'a' "),
    ],
)
def test_a_row_that_does_not_fit_names_the_field(tmp_path, small_pieces, rows, fn, said):
    results = stream(rows, fn)
    with pytest.raises(nbexec.OptionError, match=said):
        results.to_parquet(tmp_path / "a.parquet")
    assert not [*tmp_path.iterdir()]
    assert results.run.done


NOON = datetime.datetime(2026, 11, 2, 12)
EAST = datetime.timezone(datetime.timedelta(hours=5))


def said(value):
    """Give a value without the keys that other rows of a piece have."""
    if isinstance(value, dict):
        return {key: said(one) for key, one in value.items() if one is not None}
    return [said(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (1, 1.5),
        (1, decimal.Decimal("1.5")),
        ([1], [1.5]),
        ({"x": 1}, {"x": 1, "y": 2}),
        ({"x": 1}, {"x": 1.5}),
        ([{"x": 1}], [{"x": 1}, {"y": 2}]),
        ({"x": {"y": 1}}, {"x": {"z": 1}}),
        (NOON.date(), NOON),
        ([NOON.date()], [NOON]),
        (NOON, NOON.replace(tzinfo=EAST)),
        (NOON.replace(tzinfo=EAST), NOON),
        (NOON.time(), NOON.time().replace(tzinfo=EAST)),
    ],
)
@pytest.mark.parametrize("piece", [1, 10])
def test_no_value_is_written_as_another_one(tmp_path, monkeypatch, first, later, piece):
    """What pyarrow would cut, move or leave out, and say nothing."""
    monkeypatch.setattr(parquet, "PIECE", piece)
    path, refused = tmp_path / "a.parquet", ""
    try:
        stream([{"a": first}, {"a": None}, {"a": later}], dict).to_parquet(path)
    except nbexec.OptionError as error:
        refused = str(error)
    if refused:
        assert "field 'a'" in refused
        assert not [*tmp_path.iterdir()]
    else:
        assert said(pq.read_table(path)["a"].to_pylist()) == said([first, None, later])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({Colour.RED: 1}, {"red": 1}),
        ({1: 2}, {"1": 2}),
        ([{1: 2}], [{"1": 2}]),
        (NOON.time().replace(tzinfo=EAST), "12:00:00+05:00"),
        ((1, None), [1, None]),
        (float("inf"), float("inf")),
        (True, True),
        (NOON - NOON, datetime.timedelta(0)),
        (decimal.Decimal("1.5"), decimal.Decimal("1.5")),
    ],
)
def test_values_of_other_kinds_are_written_whole(tmp_path, value, written):
    stream([{"a": value}, {"a": None}], dict).to_parquet(tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["a"].to_pylist() == [written, None]


def test_numbers_fit_where_they_are_the_same(tmp_path, small_pieces):
    rows = [{"a": 1, "b": 1.5}] * 10 + [{"a": 2.0, "b": 2}]
    stream(rows, dict).to_parquet(tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == rows


T = typing.TypeVar("T")


class Optional(pydantic.BaseModel, typing.Generic[T]):
    of: T | None = None
    word: typing.Literal["a", "b"] | None = None
    colour: Colour | None = None
    time: datetime.time | None = None


def test_what_is_none_at_first_has_the_type_of_its_annotation(tmp_path, small_pieces):
    last = {"of": 7, "word": "b", "colour": "red", "time": NOON.time()}
    stream([{}] * 10 + [last], Optional[int].model_validate).to_parquet(tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist()[-1] == last


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no words for it")


def test_any_bad_row_is_told_of(tmp_path):
    bad = tmp_path / "bad.parquet"
    rows = [{"number": "\ud800"}, {"number": Unprintable()}, *ROWS]
    assert stream(rows).to_parquet(tmp_path / "a.parquet", failures=bad) == 25
    assert pq.read_table(bad)["input"].to_pylist() == [
        "\\ud800",
        "<Unprintable whose repr raised RuntimeError>",
    ]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"schema": "none"}, nbexec.OptionError),
        ({"failures": "a.parquet"}, nbexec.OptionError),
        ({"failures": ""}, IsADirectoryError),
        ({"failures": "nowhere/b.parquet"}, FileNotFoundError),
    ],
)
def test_arguments_that_are_wrong_cost_no_results(tmp_path, wrong, error):
    results = stream(ROWS)
    given = {name: tmp_path / one if name == "failures" else one for name, one in wrong.items()}
    with pytest.raises(error):
        results.to_parquet(tmp_path / "a.parquet", **given)
    assert [one.number for one in results] == [*range(25)]
    assert not [*tmp_path.iterdir()]


def test_a_schema_can_be_given(tmp_path):
    schema = pyarrow.schema([("a", pyarrow.float32())])
    stream([{"a": 1}], dict).to_parquet(tmp_path / "a.parquet", schema=schema)
    assert pq.read_schema(tmp_path / "a.parquet").field("a").type == pyarrow.float32()
    with pytest.raises(nbexec.OptionError, match="'a'"):
        stream([{"a": 1}], dict).to_parquet(tmp_path / "a.parquet", schema={"a": "int"})


def test_rows_and_failures_go_to_two_files(tmp_path):
    with pytest.raises(nbexec.OptionError, match="two files"):
        stream(ROWS).to_parquet(tmp_path / "a.parquet", failures=tmp_path / "a.parquet")


def test_a_given_schema_says_what_is_cut(tmp_path):
    schema = pyarrow.schema([("a", pyarrow.timestamp("s", tz="UTC")), ("b", pyarrow.int64())])
    path = tmp_path / "a.parquet"
    stream([{"a": NOON, "b": 1}], dict).to_parquet(path, schema=schema)
    assert pq.read_table(path)["a"].to_pylist() == [NOON.replace(tzinfo=datetime.UTC)]
    with pytest.raises(nbexec.OptionError, match="'b'"):
        stream([{"a": NOON, "b": 1.5}], dict).to_parquet(path, schema=schema)


@dataclasses.dataclass
class Point:
    x: int
    amount: decimal.Decimal


def test_objects_of_dataclasses_and_msgspec_are_rows():
    point = Point(1, decimal.Decimal("1.5"))
    assert arrow_rows.as_dict(point) == {"x": 1, "amount": decimal.Decimal("1.5")}
    msgspec = pytest.importorskip("msgspec")
    Row = msgspec.defstruct("Row", [("x", int), ("day", datetime.date), ("colour", Colour)])
    row = Row(1, datetime.date(2026, 11, 1), Colour.RED)
    assert arrow_rows.as_dict(row) == {"x": 1, "day": row.day, "colour": "red"}
