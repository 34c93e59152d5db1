"""The magics in an IPython shell, without a kernel.

Covers `nbexec.notebook.cell_source`, `nbexec.notebook.detached_cells`,
`nbexec.notebook.flags`, `nbexec.notebook.futures`, `nbexec.options.record` and
`nbexec.options.checks`.
"""

from __future__ import annotations

import builtins
import re
from dataclasses import fields

import nbclient
import nbformat
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from nbexec.errors import BackendError, OptionError
from nbexec.notebook.flags import flag, parse, usage
from nbexec.options.record import Options


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("NBEXEC_WARM_UP", "off")
    monkeypatch.delattr(builtins, "_", raising=False)  # a doctest's: IPython would leave it alone
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(colors="nocolor")
    shell.run_line_magic("load_ext", "nbexec")
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def run(shell, cell):
    """Run a cell as a person does; give what was printed, in which bundles, and how it ended."""
    with capture_output() as captured:
        result = shell.run_cell(cell, store_history=True)
    return captured, result


# ---------------------------------------------------------------- flags


def test_every_option_is_a_flag_and_is_explained():
    said = usage("%%parallel")
    for option in fields(Options):
        kind = option.metadata["kind"]
        value = "" if kind is bool else f" {kind.__name__.upper()}"
        assert f"\n  {flag(option.name)}{value}\n" in said
        assert option.metadata["help"].split()[0] in said
        assert f"Default: {option.default!r}." in " ".join(said.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ({}, "")),
        ("--workers 8", ({"workers": 8}, "")),
        ("--workers=8 --backend threads", ({"workers": 8, "backend": "threads"}, "")),
        ("--on-error collect", ({"on_error": "collect"}, "")),
        ("--on_error collect", ({"on_error": "collect"}, "")),
        ("--retry-wait 0.5 --retries 2", ({"retry_wait": 0.5, "retries": 2}, "")),
        ("--name 'two words'", ({"name": "two words"}, "")),
        ("--backend auto [x for x in y]", ({"backend": "auto"}, "[x for x in y]")),
        ("[f('--workers 3') for x in y]", ({}, "[f('--workers 3') for x in y]")),
        ("--workers 3 -x --help", ({"workers": 3}, "-x --help")),
        ("--workers 3 --help", ({"help": True}, "")),
    ],
)
def test_flags_are_options(line, expected):
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--worker 8", "there is no flag --worker; did you mean '--workers'?"),
        ("--workers", "--workers needs a value: How many items run at once"),
        ("--workers --name x", "--workers needs a value"),
        ("--workers many", "--workers must be an integer, not 'many'"),
        ("--workers 0", "workers must be an integer of at least 1, not 0"),
        ("--on-error rise", "did you mean 'raise'?"),
        ("--backend thread", "there is no backend 'thread'; did you mean 'threads'?"),
    ],
)
def test_what_is_wrong_with_a_flag_is_said(line, message):
    with pytest.raises((OptionError, BackendError)) as caught:
        parse(line)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%parallel --worker 8\ntouched = True", "did you mean '--workers'?"),
        (
            "%%parallel workers=8\ntouched = True",
            "'workers=8' is not a flag; did you mean --workers 8?",
        ),
        ("%%parallel --backend thread\ntouched = True", "did you mean 'threads'?"),
        ("%%parallel --checkpoint /no/such/x.db\n[abs(x) for x in [1]]", "x.db can't be made"),
        ("%parallel --workers 0 [abs(x) for x in [1]]", "workers must be an integer"),
        ("%parallel", "there is no expression"),
        ("%parallel x = 3", "'x = 3' is no expression"),
    ],
)
def test_a_wrong_flag_is_one_line_and_runs_nothing(shell, cell, message):
    captured, result = run(shell, cell)
    lines = (captured.stderr or captured.stdout).strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not result.success  # so that "run all" stops here
    assert "touched" not in shell.user_ns


def test_help_is_shown_and_runs_nothing(shell):
    captured, result = run(shell, "%%parallel --help\ntouched = True")
    assert "--on-error STR" in captured.stdout
    assert result.success
    assert "touched" not in shell.user_ns
    captured, _ = run(shell, "%parallel --help")
    assert "--on-error STR" in captured.stdout


# ---------------------------------------------------------------- cells

LOOP = """\
rows = []
for item in range(20):
    square = item * item
    rows.append(square)
"""


def test_a_cell_leaves_what_it_leaves_without_the_magic(shell):
    serial = {}
    exec(LOOP, serial)
    captured, result = run(shell, f"%%parallel --workers 2 --backend threads\n{LOOP}")
    assert result.success, captured.stdout
    assert shell.user_ns["rows"] == serial["rows"]
    assert shell.user_ns["item"] == serial["item"]
    assert result.result is None


def test_the_value_of_a_cell_is_its_output(shell):
    captured, result = run(shell, "%%parallel --backend threads\n[abs(x) for x in [-1, -2]]")
    assert result.result == [1, 2]
    assert "[1, 2]" in captured.stdout
    assert shell.user_ns["_"] == [1, 2]


def test_a_semicolon_silences_the_value(shell):
    captured, result = run(shell, "%%parallel --backend threads\n[abs(x) for x in [-1, -2]];")
    assert result.success
    assert result.result is None
    assert "[1, 2]" not in captured.stdout


def test_the_report_is_displayed_folded_as_text_and_html(shell):
    captured, _ = run(shell, f"%%parallel --backend threads\n{LOOP}")
    (report,) = [output for output in captured.outputs if "text/html" in output.data]
    assert "nbexec-report" in report.data["text/html"]
    assert report.data["text/plain"]
    assert "<for " not in report.data["text/html"]


def test_an_expression_gives_its_value(shell):
    shell.user_ns["xs"] = [-1, -2]
    _, result = run(shell, "%parallel --backend threads [abs(x) for x in xs]")
    assert result.result == [1, 2]
    run(shell, "rows = %parallel [{x: abs(x)} for x in xs]")  # {x} is not IPython's
    assert shell.user_ns["rows"] == [{-1: 1}, {-2: 2}]


def test_magics_and_shell_commands_inside_a_cell_run(shell):
    captured, result = run(shell, "%%parallel\nfiles = !echo one two\n%pwd\n")
    assert result.success, captured.stdout
    assert list(shell.user_ns["files"]) == ["one two"]


def test_a_traceback_shows_the_line_of_the_cell(shell):
    cell = (
        "%%parallel --backend threads --workers 2\n"
        "rows = []\n"
        "for item in [1, 2, 0, 4]:\n"
        "    rows.append(1 / item)  # the line that raises\n"
    )
    captured, result = run(shell, cell)
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    said = captured.stdout + captured.stderr
    assert "line 4" in said
    assert "# the line that raises" in said
    assert "magics.py" not in said
    assert shell.user_ns["rows"] == [1.0, 0.5]


def test_the_panel_tells_what_the_cell_raised(shell, monkeypatch):
    monkeypatch.setattr("nbexec.observers.in_kernel", lambda: True)
    cell = "rows = []\nfor item in [1, 0]:\n    rows.append(1 / item)"
    captured, _ = run(shell, f"%%parallel --backend threads --progress panel\n{cell}")
    panel = captured.outputs[0].data["text/plain"]
    assert "ZeroDivisionError in <module>, line 4: division by zero  1: 0" in panel


OURS = re.compile(r"nbexec[/\\]|run_cell_magic|run_line_magic|interactiveshell|hidden")


@pytest.mark.parametrize(
    ("cell", "line", "said"),
    [
        ("%%parallel\nx = 1\nfor item in:\n    pass\n", 3, "for item in:"),
        (
            "\n\n%%parallel --workers 2\n\n\nx = 1\n%pwd\nfor item in:\n    pass\n",
            8,
            "for item in:",
        ),
        ("%%parallel --plan\nx = 1\nreturn 3", 3, "return 3"),
        ("%%parallel\n  x = 1\n y = 2", 2, "x = 1"),
    ],
)
def test_a_syntax_error_is_shown_as_in_any_cell(shell, cell, line, said):
    captured, result = run(shell, cell)
    shown = captured.stdout + captured.stderr
    assert isinstance(result.error_before_exec, SyntaxError)
    assert f"Cell In[1], line {line}\n" in shown
    assert said in shown
    assert not OURS.search(shown)
    assert "x" not in shell.user_ns


@pytest.mark.parametrize("above", ["", "\n\n"])
@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_a_traceback_has_the_lines_that_a_person_sees(shell, above, backend):
    magic = f"%%parallel --backend {backend} --progress off"
    code = "def f(x):\n    return 1 / x\nout = []\nfor x in [1, 0]:\n    out.append(f(x))\n"
    cell = f"{above}{magic}\n\n\n{code}"
    captured, result = run(shell, cell)
    shown = captured.stdout + captured.stderr
    last = cell.split("\n").index("    out.append(f(x))") + 1
    assert f"Cell In[1], line {last}\n" in shown
    assert f"Cell In[1], line {last - 3}, in f(" in shown
    assert f"-> {last}     out.append(f(x))" in shown
    assert not OURS.search(shown)
    assert "_render_traceback_" not in vars(result.error_in_exec)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--deadline 0.5 --backend processes", "DeadlineExceeded: "),
        ("--timeout 0.5 --backend threads", "ItemTimeout: the item took longer"),
    ],
)
def test_what_nbexec_itself_raises_has_no_traceback(shell, flags, said):
    cell = "import time\nfor x in [0, 2]:\n    time.sleep(x)"
    captured, result = run(shell, f"%%parallel --progress off {flags}\n{cell}")
    shown = captured.stdout + captured.stderr
    assert not result.success
    assert said in shown
    assert "Traceback" not in shown
    assert not OURS.search(shown)


def test_failures_are_collected_and_shown_below_the_cell(shell):
    flags = "--on-error collect --backend threads --progress off"
    captured, result = run(shell, f"%%parallel {flags}\nout = [1 / x for x in [1, 0, 2]]")
    assert result.success
    assert shell.user_ns["out"] == [1.0, 0.5]
    (report,) = [output.data for output in captured.outputs if "text/html" in output.data]
    for shown in report.values():
        assert "item 1: ZeroDivisionError: division by zero" in shown


def test_a_cell_that_uses_nbexec_wrongly_has_a_traceback(shell):
    captured, result = run(shell, "%%parallel\nimport nbexec\nnbexec.map(abs, [1], worker=3)")
    assert isinstance(result.error_in_exec, OptionError)
    assert "line 3" in captured.stdout + captured.stderr


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_in_a_kernel_a_traceback_marks_the_line_that_raised(backend):
    """IPython finds a kernel cell's lines another way than those of a file."""
    cells = [
        "%load_ext nbexec\ndef work(x):\n    y = 1 - x\n    return 1 / y\n",
        f"%%parallel --workers 2 --backend {backend}\nrows = []\nfor x in range(3):\n"
        "    y = x\n    rows.append(work(x))\n",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    nbclient.NotebookClient(notebook, allow_errors=True, kernel_name="python3").execute()
    (error,) = [out for out in notebook.cells[1].outputs if out.output_type == "error"]
    said = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    assert "----> 5     rows.append(work(x))" in said
    assert "----> 4     return 1 / y" in said


# ---------------------------------------------------------------- plan, strict, completion


def test_a_plan_is_shown_and_runs_nothing(shell):
    cell = f"%%parallel --plan\ntouched = True\n{LOOP}"
    captured, result = run(shell, cell)
    assert result.success
    assert "touched" not in shell.user_ns
    (shown,) = [output for output in captured.outputs if "text/html" in output.data]
    assert "lines 4-6: for loop, item by item" in shown.data["text/plain"]
    assert "data:image/svg+xml" in shown.data["text/html"]
    assert "line 3   in order      makes rows" in shown.data["text/plain"]


def test_strict_makes_a_serial_loop_an_error(shell):
    captured, result = run(
        shell, "%%parallel --strict\nn = 1\nfor item in [1, 2]:\n    n = n * 2 + item\n    m = n"
    )
    assert not result.success
    said = captured.stderr or captured.stdout
    assert "line 4 would run serially: reads `n` before it is assigned" in said
    assert shell.user_ns["n"] == 1
    _, result = run(shell, f"%%parallel --strict --backend threads\n{LOOP}")
    assert result.success


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%parallel --wor", ["--workers", "--worker-name"]),
        ("%%parallel --workers 3 --bac", ["--backend"]),
        ("%%parallel --on-error ", ["raise", "collect"]),
        ("%%parallel --backend th", ["threads"]),
        ("%parallel --str", ["--strict"]),
        ("%parallel --name ", []),
    ],
)
def test_flags_are_completed(shell, line, expected):
    with provisionalcompleter():
        found = [one.text for one in shell.Completer.completions(line, len(line))]
    assert [one for one in found if one in expected or one.startswith("--")] == expected


def test_a_detached_cell_returns_at_once(shell):
    cell = (
        "%%parallel --detach --backend threads\nimport time\nrows = []\nfor item in range(3):\n"
        "    while not go: time.sleep(0.01)\n    rows.append(item)\n"
    )
    go = shell.user_ns["go"] = []
    _, result = run(shell, cell)
    assert result.success
    assert "rows" not in shell.user_ns
    captured, early = run(shell, "print('first')\nlen(rows)")
    assert not early.success, result.result.error  # a NameError, before the cell has ended
    assert "`rows` is not there yet" in captured.stdout
    assert "first" in captured.stdout
    captured, early = run(shell, "%%parallel\nmore = [r for r in rows]")
    assert "`rows` is not there yet" in captured.stdout
    go.append(1)
    assert result.result.wait(30)
    _, late = run(shell, "len(rows)")
    assert late.result == 3


# ---------------------------------------------------------------- from __future__ imports

FUTURE = "from __future__ import annotations"
IN_FORCE = """
class Grid(list):
    def step(self) -> Grid:
        return Grid(self)
def double(x: Nowhere):
    return 2 * x
kinds = [type(Grid.step.__annotations__["return"]) for _ in range(3)]
found = [double(n) for n in range(3)]
"""
MARK = "%%parallel --workers 2 --backend threads --progress off --strict\n"
DETACHED = MARK.replace("--strict", "--detach")


@pytest.mark.parametrize("first", ["", MARK, DETACHED])
@pytest.mark.parametrize("then", ["", MARK])
def test_a_future_import_is_in_force_in_the_cells_after_it(shell, first, then):
    for cell in (f"{first}{FUTURE}", f"{then}{IN_FORCE}"):
        _, result = run(shell, cell)
        assert result.success
    assert shell.user_ns["kinds"] == [str] * 3
    assert shell.user_ns["found"] == [0, 2, 4]


def test_a_future_import_is_in_force_in_a_detached_cell(shell):
    run(shell, FUTURE)
    cell = "def double(x: Nowhere): return 2 * x\nout = [double(n) for n in range(3)]"
    _, result = run(shell, f"{DETACHED}{cell}")
    result.result.result(60)
    assert shell.user_ns["out"] == [0, 2, 4]


def test_a_future_import_changes_what_is_python(shell):
    run(shell, f"{MARK}from __future__ import barry_as_FLUFL")
    _, result = run(shell, f"{MARK}out = [n <> 1 for n in range(3)]")
    assert result.success
    assert shell.user_ns["out"] == [True, False, True]
    assert run(shell, "%parallel [n <> 1 for n in range(2)]")[1].result == [True, False]


@pytest.mark.parametrize("flags", ["--backend threads --plan", "--workers 0"])
def test_a_future_import_that_did_not_run_is_not_in_force(shell, flags):
    run(shell, f"%%parallel {flags}\n{FUTURE}")
    _, result = run(shell, "def double(x: Nowhere): pass")
    assert isinstance(result.error_in_exec, NameError)


def test_a_future_import_that_is_not_there_is_a_syntax_error(shell):
    _, result = run(shell, f"{MARK}from __future__ import braces")
    assert isinstance(result.error_before_exec or result.error_in_exec, SyntaxError)
