"""Each entry of the register, as items see it: one line for an entry, and none without one."""

from __future__ import annotations

import calendar
import contextlib
import contextvars
import csv
import decimal
import faulthandler
import gc
import importlib
import locale
import mimetypes
import os
import resource
import socket
import ssl
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import nbexec
from nbexec.worker.surroundings import register, thread_entries
from nbexec.worker.surroundings.kernel_state import Surroundings

from .ways import WAYS

VARIABLE = contextvars.ContextVar("variable", default=0)


class Line(NamedTuple):
    """How an entry is changed to its first or second other value, and how code sees it."""

    change: Callable[[int], Any]
    look: Callable[[], Any]


def module(name: str) -> Any:
    """Give a library, which needn't be installed."""
    return importlib.import_module(name)


def umask(wanted: int | None = None) -> int:
    found = os.umask(wanted or 0)
    if wanted is None:
        os.umask(found)
    return found


def zone(at: int) -> None:
    os.environ["TZ"] = ["Asia/Tokyo", "America/Lima"][at - 1]
    time.tzset()


def path(at: int) -> None:
    sys.path[:] = [one for one in sys.path if not one.startswith("/entry")] + [f"/entry{at}"]


def collection(at: int) -> None:
    gc.set_threshold(700 + at, 10, 10)


def settings(at: int) -> None:
    sys.setswitchinterval(at / 1000)
    sys.dont_write_bytecode = at == 1
    sys.tracebacklimit = at - 1


def traced() -> int:
    try:
        raise LookupError
    except LookupError:
        return traceback.format_exc().count("\n")


def in_a_thread() -> str:
    found = []
    thread = threading.Thread(target=lambda: found.append(decimal.Decimal(1) / 3))
    thread.start()
    thread.join()
    return str(found[0])


def limit_files(wanted: int) -> None:
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )


def errors(at: int) -> None:
    module("numpy").seterr(divide=["ignore", "raise"][at - 1])
    module("numpy").set_printoptions(precision=at)


def handler(at: int) -> None:
    numpy = module("numpy")
    numpy.seterr(divide="call")
    numpy.seterrcall(Raising(at))


class Raising:
    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, kind: str, flag: int) -> None:
        raise LookupError(self.at)


def handled() -> Any:
    numpy = module("numpy")
    with contextlib.suppress(FloatingPointError, RuntimeWarning):
        try:
            return float(numpy.float64(1) / numpy.float64(0))
        except LookupError as error:
            return error.args
    return None


def digits() -> Any:
    with module("mpmath").workdps(module("mpmath").mp.dps):
        return str(module("mpmath").mpf(1) / 3)


LINES: dict[str, Line] = {
    "working directory": Line(lambda at: os.chdir(["/", "/usr"][at - 1]), os.getcwd),
    "environment variables": Line(
        lambda at: os.environ.__setitem__("ENTRY", str(at)), lambda: os.environ.get("ENTRY")
    ),
    "import path": Line(path, lambda: [*sys.path]),
    "command line": Line(
        lambda at: sys.argv.__setitem__(slice(1, None), [str(at)]), lambda: [*sys.argv]
    ),
    "file mode mask": Line(lambda at: umask(0o20 + at), umask),
    # a cell has room for frames of ours
    "recursion limit": Line(
        lambda at: sys.setrecursionlimit(9000 * at), lambda: sys.getrecursionlimit() // 1000
    ),
    "digits of an int": Line(
        lambda at: sys.set_int_max_str_digits(5000 + at), sys.get_int_max_str_digits
    ),
    "settings of sys": Line(
        settings, lambda: (round(sys.getswitchinterval(), 4), sys.dont_write_bytecode, traced())
    ),
    "garbage collection": Line(collection, gc.get_threshold),
    "fault handler": Line(
        lambda at: faulthandler.disable() if at == 1 else faulthandler.enable(sys.__stderr__),
        faulthandler.is_enabled,
    ),
    "time zone": Line(zone, lambda: time.strftime("%Z", time.localtime(0))),
    "locale": Line(
        lambda at: locale.setlocale(locale.LC_ALL, ["C", "C.UTF-8"][at - 1]),
        lambda: locale.setlocale(locale.LC_ALL),
    ),
    "longest field of csv": Line(lambda at: csv.field_size_limit(at), csv.field_size_limit),
    "dialects of csv": Line(
        lambda at: csv.register_dialect("entry", delimiter=";,"[at - 1]),
        lambda: "entry" in csv.list_dialects() and csv.get_dialect("entry").delimiter,
    ),
    "timeout of sockets": Line(socket.setdefaulttimeout, socket.getdefaulttimeout),
    "first day of the week of calendar": Line(calendar.setfirstweekday, calendar.firstweekday),
    "MIME types": Line(
        lambda at: mimetypes.add_type(f"text/entry{at}", ".entry"),
        lambda: mimetypes.guess_type("a.entry"),
    ),
    "folder of temporary files": Line(
        lambda at: setattr(tempfile, "tempdir", ["/", "/usr"][at - 1]), tempfile.gettempdir
    ),
    "context of decimal in new threads": Line(
        lambda at: setattr(decimal.DefaultContext, "prec", at), in_a_thread
    ),
    "default context of HTTPS": Line(
        lambda at: setattr(
            *(ssl, "_create_default_https_context"),
            [ssl._create_unverified_context, ssl.create_default_context][at - 1],
        ),
        lambda: ssl._create_default_https_context.__name__,
    ),
    "limit of open files": Line(
        lambda at: limit_files(900 + at), lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    ),
    "options of pandas": Line(
        lambda at: module("pandas").set_option("display.max_rows", at),
        lambda: module("pandas").get_option("display.max_rows"),
    ),
    "options of polars": Line(
        lambda at: module("polars").Config.set_tbl_rows(at),
        lambda: module("polars").Config.state().get("POLARS_FMT_MAX_ROWS"),
    ),
    "options of xarray": Line(
        lambda at: module("xarray").set_options(display_width=40 + at),
        lambda: module("xarray").get_options()["display_width"],
    ),
    "configuration of dask": Line(
        lambda at: module("dask.config").set({"entry": at}),
        lambda: module("dask.config").get("entry", None),
    ),
    "rcParams of matplotlib": Line(
        lambda at: module("matplotlib").rcParams.__setitem__("lines.linewidth", float(at)),
        lambda: module("matplotlib").rcParams["lines.linewidth"],
    ),
    "precision of mpmath": Line(lambda at: setattr(module("mpmath").mp, "dps", 20 + at), digits),
    "default dtype of torch": Line(
        lambda at: module("torch").set_default_dtype(
            [module("torch").float64, module("torch").float16][at - 1]
        ),
        lambda: str(module("torch").get_default_dtype()),
    ),
    "print options of torch": Line(
        lambda at: module("torch").set_printoptions(precision=at),
        lambda: str(module("torch").tensor([1 / 3])),
    ),
    "precision of matrix products of torch": Line(
        lambda at: module("torch").set_float32_matmul_precision(["medium", "high"][at - 1]),
        lambda: module("torch").get_float32_matmul_precision(),
    ),
    "anomaly detection and cuDNN of torch": Line(
        lambda at: module("torch").autograd.set_detect_anomaly(at == 1),
        lambda: module("torch").is_anomaly_enabled(),
    ),
    "autocast of torch": Line(
        lambda at: module("torch").set_autocast_enabled("cpu", at == 1),
        lambda: module("torch").is_autocast_enabled("cpu"),
    ),
    "inference mode of torch": Line(
        lambda at: thread_entries._set_inference(at == 1),
        lambda: module("torch").is_inference_mode_enabled(),
    ),
    "context of decimal": Line(
        lambda at: setattr(decimal.getcontext(), "prec", at),
        lambda: (str(decimal.Decimal(1) / 3), bool(decimal.getcontext().flags[decimal.Overflow])),
    ),
    "errstate and print options of NumPy": Line(
        errors, lambda: (module("numpy").geterr(), str(module("numpy").array([1 / 3])))
    ),
    "handler of NumPy's floating-point errors": Line(handler, handled),
    "configuration of scikit-learn": Line(
        lambda at: module("sklearn").set_config(working_memory=at),
        lambda: module("sklearn").get_config()["working_memory"],
    ),
    "grad mode and default device of torch": Line(
        lambda at: module("torch").set_grad_enabled(at == 1),
        lambda: module("torch").is_grad_enabled(),
    ),
    "context variables": Line(VARIABLE.set, VARIABLE.get),
}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before, variables = Surroundings.here(), dict(os.environ)
    token = VARIABLE.set(0)
    yield
    VARIABLE.reset(token)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    for entry in register.entries():
        if entry.name in before.values and entry.name != "context variables":
            entry.take_on(before.values[entry.name])


def test_each_entry_has_a_line() -> None:
    assert LINES.keys() == {entry.name for entry in register.BUILT_IN}


def looked(name: str) -> Callable[[Any], Any]:
    return lambda _: LINES[name].look()


def as_in_a_plain_loop(name: str, way: str, backend: str) -> None:
    try:
        before = LINES[name].look()
    except ImportError as error:
        pytest.skip(str(error))
    seen = [before]
    for at in (1, 2):  # the second time on warm workers
        LINES[name].change(at)
        plain = [looked(name)(x) for x in range(2)]
        assert WAYS[way](looked(name), range(2), backend) == plain
        seen.append(plain[0])
    assert seen[1] != seen[2]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LINES)
def test_workers_take_it_on(name: str, way: str) -> None:
    as_in_a_plain_loop(name, way, "processes")


@pytest.mark.extended
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LINES)
def test_on_every_backend(backend: str, name: str, way: str) -> None:
    nbexec.map(abs, [1], backend=backend)  # a local cluster adds to the kernel's import path
    as_in_a_plain_loop(name, way, backend)
