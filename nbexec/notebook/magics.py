"""The magics ``%%parallel`` and ``%parallel``, which ``%load_ext nbexec`` adds to IPython."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.error import TryNext, UsageError
from IPython.core.magic import no_var_expand, output_can_be_silenced
from IPython.display import display

from ..errors import BackendError, JournalError, NbexecError, OptionError, SerialError
from . import detached_cells, futures, joblib_later
from .cell_source import CellSource, from_cell
from .flags import completions, parse, usage
from .warm_up import warm_up

if TYPE_CHECKING:
    from types import TracebackType

    from ..cell.report import CellReport

CELL_TITLE = "%%parallel [flags]: run this cell in parallel, with the same result as without."
LINE_TITLE = "%parallel [flags] EXPRESSION: evaluate an expression in parallel and give its value."
BEFORE = (OptionError, BackendError, JournalError, SerialError)  # shown in one line


def register(shell: Any) -> None:
    """Add ``%%parallel`` and ``%parallel`` to an IPython shell.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        What ``get_ipython()`` gives.

    Examples
    --------
    >>> from IPython.core.interactiveshell import InteractiveShell
    >>> shell = InteractiveShell()
    >>> register(shell)
    >>> "parallel" in shell.magics_manager.magics["cell"]
    True
    """

    source = CellSource(shell)
    shell.input_transformers_cleanup.insert(0, source)

    def cell(line: str, cell: str) -> Any:
        __tracebackhide__ = True
        return run_cell(shell, line, cell, source)

    def line(line: str) -> Any:
        __tracebackhide__ = True
        return run_line(shell, line)

    for function, title in ((cell, CELL_TITLE), (line, LINE_TITLE)):
        function.__doc__ = usage(title)
        # A semicolon at the end silences the value; {x} is Python here, not a variable.
        magic = no_var_expand(output_can_be_silenced(function))
        shell.register_magic_function(magic, function.__name__, "parallel")
    for name in ("%%parallel", "%parallel"):
        shell.set_hook("complete_command", complete, str_key=name)
    warm_up(shell)
    joblib_later.register(shell)


def complete(shell: Any, event: Any) -> list[str]:
    """Complete flags and their values; expressions are left to IPython."""
    found = completions(event.line[: len(event.text_until_cursor)])
    if not found:
        raise TryNext
    return found


def run_cell(shell: Any, line: str, cell: str, source: CellSource) -> Any:
    """Run a cell; give its value, which IPython shows as it does without the magic."""
    __tracebackhide__ = True
    options, rest = read_flags("%%parallel", line)
    if options.pop("help", False):
        sys.stdout.write(usage(CELL_TITLE))
        return None
    if rest:
        hint = f"; did you mean --{rest.replace('=', ' ')}?" if "=" in rest else ""
        raise UsageError(f"%%parallel: {rest!r} is not a flag{hint} (%%parallel --help)")
    return run(shell, source.python(line, cell), f"%%parallel {line}\n{cell}", options)


def run_line(shell: Any, line: str) -> Any:
    """Evaluate an expression; give its value."""
    __tracebackhide__ = True
    options, expression = read_flags("%parallel", line)
    if options.pop("help", False):
        sys.stdout.write(usage(LINE_TITLE))
        return None
    if not expression:
        raise UsageError("%parallel: there is no expression (%parallel --help)")
    try:
        flags = futures.in_force(shell) | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        compile(expression, "<%parallel>", "eval", flags, dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(f"%parallel: {expression!r} is no expression: {error.msg}") from None
    if options.pop("detach", False):
        raise UsageError("%parallel: --detach is for %%parallel, at the top of a cell")
    return run(shell, expression, expression, options)


def read_flags(magic: str, line: str) -> tuple[dict[str, Any], str]:
    """Parse; an error is one line on standard error, and stops the cells after this."""
    try:
        return parse(line)
    except NbexecError as error:
        raise UsageError(f"{magic}: {error}") from None


def run(shell: Any, source: str, raw: str, options: dict[str, Any]) -> Any:
    """Run source in the shell's namespace, display the report, and give the value."""
    __tracebackhide__ = True
    from ..cell.run import parallel

    # Under this name tracebacks, inspect and the debugger find the cell's lines.  Its number
    # is not `execution_count`, which IPython 9 counts up before the cell runs, 8 after.
    number = len(shell.history_manager.input_hist_raw) - 1
    filename = shell.compile.cache(source, number, raw_code=raw)
    flags = futures.in_force(shell)
    try:
        if options.pop("plan", False):
            show_plan(source, shell.user_ns, filename, flags)
            return None
        detached_cells.look(shell, source)
        detach = options.pop("detach", False)
        futures.leave(shell, source, options)
        if detach:
            return detached_cells.detach(shell, source, filename, {**options, "flags": flags})
        report = parallel(source, shell.user_ns, filename=filename, flags=flags, **options)
    except BaseException as error:
        inside = from_cell(error.__traceback__, filename)
        if inside is None and isinstance(error, BEFORE):
            raise UsageError(f"%parallel: {error}") from None
        if inside is not None:
            error.__traceback__ = inside
        if inside is not None or isinstance(error, (NbexecError, KeyboardInterrupt)):
            rendered(shell, error, inside)
        raise
    show(report)
    return report.value if report.has_value else None


def rendered(shell: Any, error: BaseException, inside: TracebackType | None) -> None:
    """Have IPython show an exception without the frames above the cell's own lines.

    Without such lines it is shown without a traceback: its message is enough.
    """

    def render() -> list[str]:
        vars(error).pop("_render_traceback_", None)  # it is the user's own again
        tb = shell.InteractiveTB
        if inside is None:
            return list(tb.get_exception_only(type(error), error))
        return list(tb.structured_traceback(type(error), error, inside, tb_offset=0))

    vars(error)["_render_traceback_"] = render


def show_plan(source: str, namespace: dict[str, Any], filename: str, flags: int) -> None:
    """Display how a cell would run, in words and as a picture."""
    from ..cell.plan import plan
    from .cell_report import plan_bundle

    display(plan_bundle(plan(source, namespace, filename, flags)), raw=True)


def show(report: CellReport) -> None:
    """Display what ran where, folded, below the panel."""
    from .cell_report import report_bundle

    display(report_bundle(report), raw=True)
