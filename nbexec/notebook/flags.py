"""Flags of the magics, made from `Options`, so that no option is declared twice."""

from __future__ import annotations

import re
from dataclasses import Field, fields
from typing import Any

from ..errors import OptionError
from ..options.checks import PROGRESS, suggest
from ..options.record import ON_ERROR, Options

FLAG = re.compile(r"\s*--([A-Za-z][\w-]*)")
VALUE = re.compile(r"(?:\s*=\s*|\s+)('[^']*'|\"[^\"]*\"|(?!--)\S+)")
SWITCHES = {
    "plan": "Show how the cell would run, with a picture of its steps; nothing is run.",
    "strict": "A loop that would run serially is an error.",
    "detach": "The cell returns at its first loop; its names are filled in when it ends.",
}
IN_CELLS = {
    "on_error": "In a cell 'collect' leaves out the iterations that raise, and lists them, and "
    "there is no 'group'."
}
KINDS = {int: "an integer", float: "a number", str: "a word"}


def flag(name: str) -> str:
    """Give the flag of an option.

    Examples
    --------
    >>> flag("on_error")
    '--on-error'
    """
    return "--" + name.replace("_", "-")


def parse(line: str) -> tuple[dict[str, Any], str]:
    """Take the flags off the start of a magic's line.

    Parameters
    ----------
    line : str
        The line after the magic's name.

    Returns
    -------
    options : dict
        Checked: `Options` takes them, except for `SWITCHES`, which are True where they are
        given.  ``{"help": True}`` for ``--help``.
    rest : str
        The line after the flags.

    Raises
    ------
    OptionError
        An unknown flag, or a value that can't be used.

    Examples
    --------
    >>> parse("--workers 8 --on-error=collect [f(x) for x in xs]")
    ({'workers': 8, 'on_error': 'collect'}, '[f(x) for x in xs]')
    """
    options = {flag(option.name): option for option in fields(Options)}
    given: dict[str, Any] = {}
    switches: dict[str, Any] = {}
    at = 0
    while found := FLAG.match(line, at):
        name = flag(found[1])
        if name == "--help":
            return {"help": True}, ""
        if name.removeprefix("--") in SWITCHES:
            switches[name.removeprefix("--")] = True
            at = found.end()
            continue
        if name not in options:
            known = [*options, *map(flag, SWITCHES), "--help"]
            raise OptionError(
                f"there is no flag {name}{suggest(name, known)} (flags: {', '.join(known)})"
            )
        option, at = options[name], found.end()
        if option.metadata["kind"] is bool:
            given[option.name] = True
            continue
        value = VALUE.match(line, at)
        if value is None:
            raise OptionError(f"{name} needs a value: {option.metadata['help']}")
        given[option.name], at = _convert(option, value[1].strip("'\"")), value.end()
    Options(**given)  # checks the values
    if isinstance(given.get("backend"), str) and given["backend"] != "auto":
        from ..backends import get_backend

        get_backend(given["backend"])  # checks that there is one
    return given | switches, line[at:].strip()


def _convert(option: Field[Any], value: str) -> Any:
    kind = option.metadata["kind"]
    try:
        return kind(value)
    except ValueError:
        raise OptionError(f"{flag(option.name)} must be {KINDS[kind]}, not {value!r}") from None


def usage(title: str) -> str:
    """Give the flags and what they mean, below a title."""
    import textwrap

    lines = [title, "", "Flags:"]
    for name, text in SWITCHES.items():
        lines += [f"  {flag(name)}", f"      {text}"]
    for option in fields(Options):
        kind = option.metadata["kind"]
        lines.append(f"  {flag(option.name)}{'' if kind is bool else ' ' + kind.__name__.upper()}")
        text = f"{option.metadata['help']} Default: {option.default!r}."
        text = " ".join([text, *([IN_CELLS[option.name]] if option.name in IN_CELLS else [])])
        lines += textwrap.wrap(text, 84, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join([*lines, "  --help", "      Show this.", ""])


def completions(line: str) -> list[str]:
    """Complete the end of a magic's line: flags, or values of the last flag.

    Parameters
    ----------
    line : str
        The line so far, from the magic's name on.

    Examples
    --------
    >>> completions("%%parallel --on-er")
    ['--on-error']
    >>> completions("%%parallel --on-error ")
    ['raise', 'collect']
    """
    words = line.split()
    begun = words[-1] if not line.endswith((" ", "\t")) else ""
    before = words[:-1] if begun else words
    options = {flag(option.name): option for option in fields(Options)}
    last = before[-1] if before else ""
    if last in options and options[last].metadata["kind"] is not bool:
        return [value for value in _values(last) if value.startswith(begun)]
    every = [*map(flag, SWITCHES), *options, "--help"]
    return [name for name in every if name.startswith(begun) and name not in before]


def _values(name: str) -> list[str]:
    if name == "--backend":
        from ..backends import backends

        return ["auto", *backends()]
    in_cells = [value for value in ON_ERROR if value != "group"]
    return list({"--on-error": in_cells, "--progress": PROGRESS}.get(name, ()))
