"""Flags of the magics: made from `Options`, so that no knob is written down twice."""

from __future__ import annotations

import re
from dataclasses import Field, fields
from typing import Any

from ..errors import OptionError
from ..knobs import Options, suggest

FLAG = re.compile(r"\s*--([A-Za-z][\w-]*)")
VALUE = re.compile(r"(?:\s*=\s*|\s+)('[^']*'|\"[^\"]*\"|(?!--)\S+)")
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
        What stands after the magic's name.

    Returns
    -------
    options : dict
        Checked: `Options` takes them.  ``{"help": True}`` for ``--help``.
    rest : str
        What comes after the flags.

    Raises
    ------
    OptionError
        A flag that there isn't, or a value that can't be used.

    Examples
    --------
    >>> parse("--workers 8 --on-error=collect [f(x) for x in xs]")
    ({'workers': 8, 'on_error': 'collect'}, '[f(x) for x in xs]')
    """
    knobs = {flag(knob.name): knob for knob in fields(Options)}
    given: dict[str, Any] = {}
    at = 0
    while found := FLAG.match(line, at):
        name = flag(found[1])
        if name == "--help":
            return {"help": True}, ""
        if name not in knobs:
            known = [*knobs, "--help"]
            raise OptionError(
                f"there is no flag {name}{suggest(name, known)} (flags: {', '.join(known)})"
            )
        knob, at = knobs[name], found.end()
        if knob.metadata["kind"] is bool:
            given[knob.name] = True
            continue
        value = VALUE.match(line, at)
        if value is None:
            raise OptionError(f"{name} needs a value: {knob.metadata['help']}")
        given[knob.name], at = _convert(knob, value[1].strip("'\"")), value.end()
    Options(**given)  # checks the values
    if isinstance(given.get("backend"), str) and given["backend"] != "auto":
        from ..backends import get_backend

        get_backend(given["backend"])  # checks that there is one
    return given, line[at:].strip()


def _convert(knob: Field[Any], value: str) -> Any:
    kind = knob.metadata["kind"]
    try:
        return kind(value)
    except ValueError:
        raise OptionError(f"{flag(knob.name)} must be {KINDS[kind]}, not {value!r}") from None


def usage(title: str) -> str:
    """Give the flags and what they mean, below a title."""
    import textwrap

    lines = [title, "", "Flags:"]
    for knob in fields(Options):
        kind = knob.metadata["kind"]
        lines.append(f"  {flag(knob.name)}{'' if kind is bool else ' ' + kind.__name__.upper()}")
        said = f"{knob.metadata['help']} Default: {knob.default!r}."
        lines += textwrap.wrap(said, 84, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join([*lines, "  --help", "      Show this.", ""])
