"""What items log ends in the kernel's handlers, as from a plain loop, on every backend.

Covers `nbexec.run.in_turn`, `nbexec.run.kernel_handlers`, `nbexec.worker.issued`,
`nbexec.worker.issuing`, `nbexec.worker.held_records` and `nbexec.worker.logging_setup`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import logging.config
import logging.handlers
import os
import sys
import threading
import time

import pytest

import nbexec
from nbexec.cell.execution import plain_first

from ..conftest import SENT, _reachable

ITEMS = range(7)


class Kept(logging.Handler):
    """Keeps what it is given, as text."""

    def __init__(self, level=logging.NOTSET):
        super().__init__(level)
        self.kept = []

    def emit(self, record):
        tag, count = getattr(record, "tag", None), getattr(record, "count", None)
        said = (record.levelname, record.name, record.getMessage(), str(tag), count)
        self.kept.append(said)


class Counting(logging.Filter):
    """Gives each record a number; drops some."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def filter(self, record):
        self.count += 1
        record.count = self.count
        return "drop" not in record.getMessage()


class Noticing(logging.Logger):
    """A logger with a level of its own."""

    def notice(self, message, *args):
        if self.isEnabledFor(25):
            self._log(25, message, args)


class Unsendable:
    def __reduce__(self):
        raise TypeError("it stays here")

    def __str__(self):
        return "unsendable"


class OneLine(logging.Formatter):
    def formatException(self, info):
        return repr(super().formatException(info))


@contextlib.contextmanager
def using(name, *handlers, level=logging.INFO, propagate=True):
    """Have a logger with handlers, and as before at the end."""
    logger = logging.getLogger(name)
    logger.handlers[:] = handlers
    logger.propagate = propagate
    logger.setLevel(level)
    try:
        yield logger
    finally:
        for handler in handlers:
            handler.close()
        logger.handlers.clear()
        logger.filters.clear()
        logger.propagate, logger.disabled = True, False
        logger.setLevel(logging.NOTSET)


def to_file(run, path):
    def work(x):
        log = logging.getLogger("fidelity.file")
        log.info("item %d", x)
        log.debug("not told")
        return x

    with using("fidelity.file", logging.FileHandler(path), propagate=False):
        run(work)
    return path.read_text().splitlines()


def in_memory(run, path):
    def work(x):
        logging.getLogger("fidelity.memory").error("item %d", x)

    file = logging.FileHandler(path)
    with using("fidelity.memory", logging.handlers.MemoryHandler(3, logging.CRITICAL, file)):
        run(work)
    file.close()
    return path.read_text().splitlines()


def with_levels(run, path):
    def work(x):
        for name in ("fidelity", "fidelity.a", "fidelity.a.b", "fidelity.quiet"):
            for level in (logging.DEBUG, logging.INFO, logging.ERROR):
                logging.getLogger(name).log(level, "%s %s", level, x)

    top, inner, quiet = Kept(logging.INFO), Kept(logging.ERROR), Kept()
    with (
        using("fidelity", top, level=logging.DEBUG),
        using("fidelity.a", inner, level=logging.INFO),
        using("fidelity.quiet", quiet) as disabled,
    ):
        disabled.disabled = True
        run(work)
    return top.kept + inner.kept + quiet.kept


def disabled(run, path):
    def work(x):
        logging.getLogger("fidelity.disabled").info("item %s", x)
        logging.getLogger("fidelity.disabled").error("error %s", x)

    kept = Kept()
    with using("fidelity.disabled", kept):
        logging.disable(logging.INFO)
        try:
            run(work)
        finally:
            logging.disable(logging.NOTSET)
    return kept.kept


def objects(run, path):
    def work(x):
        log = logging.getLogger("fidelity.objects")
        log.info("%s and %s", Unsendable(), x, extra={"tag": Unsendable()})
        log.info("%(a)d", {"a": x})
        log.info({"a": x})
        log.info(ValueError(x))
        logging.LoggerAdapter(log, {"tag": {"user": x}}).info("adapted")
        log.info("é" * 10_000 + str(x))

    kept = Kept()
    with using("fidelity.objects", kept):
        run(work)
    return kept.kept


def exceptions(run, path):
    def deep(x):
        return {}[x]

    def work(x):
        log = logging.getLogger("fidelity.exceptions")
        try:
            deep(x)
        except KeyError as error:
            log.warning("here", exc_info=True)
            log.warning("given", exc_info=error)
        log.exception("none")
        try:
            try:
                deep(x)
            except KeyError as error:
                raise ValueError("chained") from error
        except ValueError:
            log.exception("both")

    plain, own = logging.FileHandler(path), logging.FileHandler(path.with_suffix(".own"))
    own.setFormatter(OneLine("%(funcName)s %(lineno)d %(module)s %(message)s"))
    with using("fidelity.exceptions", plain), using("fidelity", own):
        run(work)
    return path.read_text().splitlines() + path.with_suffix(".own").read_text().splitlines()


def from_config(run, path):
    def work(x):
        logging.getLogger("fidelity.config.a").info("info %s", x)
        logging.getLogger("fidelity.config").warning("warning %s", x)

    handler = {"class": "logging.FileHandler", "filename": str(path), "formatter": "plain"}
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(levelname)s|%(name)s|%(message)s"}},
        "handlers": {"file": {**handler, "level": "WARNING"}},
        "loggers": {"fidelity.config": {"level": "INFO", "handlers": ["file"]}},
    }
    logging.config.dictConfig(config)
    with using("fidelity.config", *logging.getLogger("fidelity.config").handlers):
        run(work)
    return path.read_text().splitlines()


def handlers_of_items(run, path):
    def work(x):
        log = logging.getLogger(f"fidelity.own.{x}")
        log.propagate = False
        log.setLevel(logging.DEBUG)
        kept = Kept()
        log.addHandler(kept)
        log.debug("mine %s", x)
        log.removeHandler(kept)
        return kept.kept

    outer = Kept()
    with using("fidelity.own", outer):
        return [*run(work), outer.kept]


def looked_for(run, path):
    def work(x):
        log = logging.getLogger("fidelity.looked_for")
        if not log.handlers:
            log.addHandler(logging.StreamHandler())
        if not any(isinstance(one, logging.FileHandler) for one in log.handlers):
            log.addHandler(logging.FileHandler(path))
        log.info("item %s", x)
        return log.hasHandlers()

    with using("fidelity.looked_for", logging.FileHandler(path)):
        results = [*run(work)]
    return results + path.read_text().splitlines()


def in_threads(run, path):
    def work(x):
        log = logging.getLogger("fidelity.threads")
        thread = threading.Thread(target=log.info, args=("in a thread of %s", x))
        thread.start()
        thread.join()

    kept = Kept()
    with using("fidelity.threads", kept):
        run(work)
    return kept.kept


KINDS = [
    *(to_file, in_memory, with_levels, disabled, objects, exceptions, from_config),
    *(handlers_of_items, looked_for, in_threads),
]


def loop(work):
    return [work(x) for x in ITEMS]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", KINDS)
def test_handlers_get_what_a_plain_loop_logs(backend, kind, tmp_path):
    plain = kind(loop, tmp_path / "plain")
    there = kind(lambda work: nbexec.map(work, ITEMS, backend=backend), tmp_path / "there")
    if kind is in_threads and backend in ("threads", "asyncio"):  # nobody knows whose those are
        assert sorted(map(str, there)) == sorted(map(str, plain))
    else:
        assert there == plain


@pytest.fixture(params=["threads", "asyncio"])
def beside(request):
    """Each backend whose items run side by side in the kernel."""
    return request.param


def uneven(run, path):
    """Have later items log before earlier ones, and what they log change afterwards."""

    def work(x):
        log, seen = logging.getLogger("fidelity.uneven"), [x]
        log.info("begin %s", seen)
        time.sleep(0.002 * (7 - x % 8))
        seen.append("later")
        log.info("end %s", seen, extra={"tag": seen})
        seen.clear()

    file, kept = logging.FileHandler(path), Kept()
    with using("fidelity.uneven", file, kept):
        run(work)
    return path.read_text().splitlines() + kept.kept


@pytest.mark.parametrize("call", [nbexec.map, lambda *a, **b: [*nbexec.imap(*a, **b)]])
def test_records_of_the_kernels_own_threads_come_in_order(beside, call, tmp_path):
    plain = uneven(loop, tmp_path / "plain")
    options = {"backend": beside, "workers": 4, "chunk": 1}
    assert uneven(lambda work: call(work, ITEMS, **options), tmp_path / "there") == plain


def test_coroutines_log_in_order(tmp_path):
    async def work(x):
        logging.getLogger("fidelity.coroutines").info("begin %s", x)
        await asyncio.sleep(0.002 * (7 - x % 8))
        logging.getLogger("fidelity.coroutines").info("end %s", x)

    kept = Kept()
    with using("fidelity.coroutines", kept):
        nbexec.map(work, ITEMS, backend="asyncio")
    lines = [f"{what} {x}" for x in ITEMS for what in ("begin", "end")]
    assert [said for _, _, said, *_ in kept.kept] == lines


def test_runs_in_items_log_in_order(backend):
    def inner(x):
        time.sleep(0.002 * (3 - x % 3))
        logging.getLogger("fidelity.inner").info("inner %s", x)

    def outer(x):
        logging.getLogger("fidelity.inner").info("begin %s", x)
        for backend in ("serial", "threads", "processes"):
            nbexec.map(inner, range(x, x + 3), backend=backend, workers=2, chunk=1)
        logging.getLogger("fidelity.inner").info("end %s", x)

    found = []
    for run in (loop, lambda work: nbexec.map(work, ITEMS, backend=backend)):
        kept = Kept()
        with using("fidelity.inner", kept):
            run(outer)
        found.append([said for _, _, said, *_ in kept.kept])
    assert found[0] == found[1]


def test_a_run_that_fails_beside_the_kernel(beside):
    def work(x):
        logging.getLogger("fidelity.beside").info("begin %d", x)
        if x == 4:
            raise ValueError(x)

    found = []
    for run in (loop, lambda work: nbexec.map(work, ITEMS, backend=beside)):
        kept = Kept()
        with using("fidelity.beside", kept), pytest.raises(ValueError, match="4"):
            run(work)
        found.append(kept.kept)
    assert found[0] == found[1]


def test_handlers_are_as_they_were_afterwards(beside):
    kept = Kept()
    with using("fidelity.afterwards", kept):
        before = dict(vars(kept))
        nbexec.map(abs, ITEMS, backend=beside)
        assert vars(kept) == before


@pytest.fixture(params=SENT)
def away(request):
    """Each backend whose items run in other processes or interpreters."""
    with _reachable(request):
        yield request.param


def counted(run):
    """Have filters and a record factory that count."""
    made = logging.getLogRecordFactory()
    numbers = iter(range(1000))

    def factory(*args, **named):
        record = made(*args, **named)
        record.tag = next(numbers)
        return record

    def work(x):
        log = logging.getLogger("fidelity.counted")
        log.info("item %s", x)
        log.info("drop %s", x)

    kept = Kept()
    with using("fidelity.counted", kept) as log:
        log.addFilter(Counting())
        logging.setLogRecordFactory(factory)
        try:
            run(work)
        finally:
            logging.setLogRecordFactory(made)
    return kept.kept


def test_filters_and_the_record_factory_see_records_in_order(away):
    there = counted(lambda work: nbexec.map(work, ITEMS, backend=away))
    assert there == counted(loop)


def test_loggers_of_ones_own_class_have_its_methods(away):
    def work(x):
        logging.getLogger("fidelity.notice").notice("hey %s", x)
        logging.getLogger(f"fidelity.notice.{x}").notice("child %s", x)

    logging.addLevelName(25, "NOTICE")
    logging.setLoggerClass(Noticing)
    try:
        found = []
        for run in (loop, lambda work: nbexec.map(work, ITEMS, backend=away)):
            kept = Kept()
            with using("fidelity.notice", kept):
                run(work)
            found.append(kept.kept)
    finally:
        logging.setLoggerClass(logging.Logger)
    assert found[0] == found[1] != []


def test_a_level_that_loggers_were_given_is_there(away, monkeypatch):
    def trace(self, message, *args):
        self._log(5, message, args)

    def work(x):
        logging.getLogger("fidelity.trace").trace("item %s", x)

    monkeypatch.setattr(logging.Logger, "trace", trace, raising=False)
    found = []
    for run in (loop, lambda work: nbexec.map(work, ITEMS, backend=away)):
        kept = Kept()
        with using("fidelity.trace", kept, level=5):
            run(work)
        found.append(kept.kept)
    assert found[0] == found[1] != []


def test_records_are_of_the_thread_that_a_plain_loop_runs_in(away):
    def work(x):
        logging.getLogger("fidelity.where").info("item %s", x)

    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(processName)s %(process)d %(threadName)s"))
    with using("fidelity.where", handler):
        nbexec.map(work, [1], backend=away)
        there = text.getvalue()
        work(1)
    assert text.getvalue() == 2 * there


def test_warm_workers_follow_changes(away):
    def work(x):
        logging.getLogger("fidelity.changes").info("item %s", x)

    kept = Kept()
    with using("fidelity.changes", kept) as log:
        counts = []
        for level in (logging.INFO, logging.ERROR, logging.DEBUG):
            log.setLevel(level)
            nbexec.map(work, range(2), backend=away)
            counts.append(len(kept.kept))
        log.removeHandler(kept)
        log.addHandler(other := Kept())
        nbexec.map(work, range(2), backend=away)
        counts.append(len(kept.kept))
    assert counts == [2, 2, 4, 4]
    assert len(other.kept) == 2


def test_a_record_that_nothing_takes_in_is_not_made(away):
    class Costly:
        def __str__(self):
            raise AssertionError("it was formatted")

    def work(x):
        log = logging.getLogger("fidelity.costly")
        log.debug("%s", Costly())
        return log.isEnabledFor(logging.DEBUG), log.isEnabledFor(logging.INFO)

    with using("fidelity.costly", Kept()):
        assert nbexec.map(work, [1], backend=away) == [(False, True)]


def test_records_wait_for_those_of_earlier_items(away, tmp_path):
    go = tmp_path / "go"

    def work(x):
        while x == 0 and not go.exists():
            time.sleep(0.01)
        logging.getLogger("fidelity.order").info("item %s", x)
        if x == 1:
            go.touch()

    kept = Kept()
    with using("fidelity.order", kept):
        nbexec.map(work, range(5), backend=away, chunk=1)
    assert [said for _, _, said, *_ in kept.kept] == [f"item {x}" for x in range(5)]


def test_of_a_run_that_fails_there_is_what_a_plain_loop_leaves(away):
    def work(x):
        logging.getLogger("fidelity.failing").info("begin %d", x)
        if x == 4:
            raise ValueError(x)
        logging.getLogger("fidelity.failing").info("end %d", x)

    def left_by(run):
        kept = Kept()
        with using("fidelity.failing", kept), pytest.raises(ValueError, match="4"):
            run(work)
        return kept.kept

    there = left_by(lambda work: nbexec.map(work, range(40), backend=away))
    assert there == left_by(loop)


def test_what_a_worker_logged_before_it_died_is_there():
    def work(x):
        logging.getLogger("fidelity.dying").info("begin %d", x)
        if x == 1:
            os._exit(3)

    kept = Kept()
    with using("fidelity.dying", kept):
        options = {"on_error": "collect", "crash_retries": 0}
        nbexec.map(work, range(3), backend="processes", **options)
    assert [said for _, _, said, *_ in kept.kept] == ["begin 0", "begin 1", "begin 2"]


def test_nobody_has_a_result_before_its_records_are_handled(away):
    def work(x):
        logging.getLogger("fidelity.first").info("item %s", x)
        return x

    kept = Kept()
    with using("fidelity.first", kept):
        for x in nbexec.imap(work, range(20), backend=away):
            assert len(kept.kept) > x
        with nbexec.Executor(away, workers=2) as executor:
            for x in range(3):
                executor.submit(work, x).result()
                assert len(kept.kept) == 21 + x
        assert nbexec.start(work, range(3), backend=away).result() == [0, 1, 2]
        assert len(kept.kept) == 26


def test_runs_within_items_log_to_the_same_handlers():
    def inner(x):
        logging.getLogger("fidelity.nested").info("inner %s", x)

    def outer(x):
        log = logging.getLogger("fidelity.nested")
        log.info("begin %s", x)
        for backend in ("serial", "threads", "processes"):
            nbexec.map(inner, [x], backend=backend, workers=1)
        log.info("end %s", x)

    kept = Kept()
    with using("fidelity.nested", kept):
        nbexec.map(outer, range(2), backend="processes")
    lines = [(f"begin {x}", *[f"inner {x}"] * 3, f"end {x}") for x in range(2)]
    assert [said for _, _, said, *_ in kept.kept] == [line for part in lines for line in part]


def test_each_record_is_in_the_output_of_its_item_once(away, capsys):
    def work(x):
        sys.stdout.write(f"before {x}\n")
        logging.getLogger("fidelity.heard").info("item %s", x)
        sys.stdout.write(f"after {x}\n")

    with using("fidelity.heard", logging.StreamHandler(), Kept()):
        run = nbexec.map(work, range(3), backend=away).run
    assert run.output == {x: f"before {x}\nitem {x}\nafter {x}\n" for x in range(3)}
    assert sorted(capsys.readouterr().err.splitlines()) == [f"item {x}" for x in range(3)]


CELL = """
import charset_normalizer
found = []
for data in texts:
    found.append(charset_normalizer.from_bytes(data).best().encoding)
"""


def test_what_libraries_log_within_a_cells_loop_is_handled_as_in_the_plain_cell(monkeypatch):
    pytest.importorskip("charset_normalizer")
    monkeypatch.setattr(plain_first, "ENABLED", False)
    found = []
    for run in (exec, lambda cell, names: nbexec.parallel(cell, names, backend="processes")):
        kept = Kept()
        names = {"texts": [("é" * x + " wörld").encode("latin-1") for x in range(1, 6)]}
        with using("charset_normalizer", kept, level=1):
            run(CELL, names)
        found.append((names["found"], kept.kept))
    assert found[0] == found[1]
    assert found[0][1] != []


class Raising(Kept):
    """A handler that lets pass what goes wrong in it, and one item does."""

    def emit(self, record):
        if record.args[0] == 4:
            raise LookupError(record.getMessage())
        super().emit(record)


def test_what_a_handler_raises_ends_the_run_as_the_plain_loop(backend):
    def work(x):
        logging.getLogger("fidelity.raising").info("begin %d", x)
        logging.getLogger("fidelity.raising").info("end %d", x)
        return x

    found = []
    for run in (loop, lambda work: nbexec.map(work, ITEMS, backend=backend)):
        kept = Raising()
        with using("fidelity.raising", kept), pytest.raises(LookupError, match="begin 4") as raised:
            run(work)
        assert raised.traceback[-1].path.name == "test_logging.py"
        found.append([said for _, _, said, *_ in kept.kept])
    assert found[0] == found[1]


def test_where_failures_are_collected_it_is_printed(away, capfd):
    def work(x):
        logging.getLogger("fidelity.raising").info("begin %d", x)
        return x

    kept = Raising()
    with using("fidelity.raising", kept):
        assert [*nbexec.map(work, ITEMS, backend=away, on_error="collect")] == [*ITEMS]
    assert "LookupError: begin 4" in capfd.readouterr().err
    assert len(kept.kept) == len(ITEMS) - 1


@pytest.mark.parametrize("raises", [True, False])
def test_what_goes_wrong_in_handlers_of_python_is_said_as_often(backend, raises, monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError("the disk is full")

    def work(x):
        logging.getLogger("fidelity.broken").info("item %d", x)
        return logging.raiseExceptions

    monkeypatch.setattr(logging, "raiseExceptions", raises)
    found = []
    for run in (loop, lambda work: nbexec.map(work, ITEMS, backend=backend)):
        handler, said = logging.StreamHandler(Broken()), io.StringIO()
        with using("fidelity.broken", handler), monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", said)
            assert [*run(work)] == [raises] * len(ITEMS)
        found.append(said.getvalue().count("OSError: the disk is full"))
    assert found[0] == found[1] == (len(ITEMS) if raises else 0)
