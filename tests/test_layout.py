"""The layout: each thing has one room, one name and a test, and imports run one way."""

from __future__ import annotations

import ast
import functools
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grimp

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nbexec"
TESTS = ROOT / "tests"

MOST_AT_THE_ROOT = 12  # modules that are in no room
MOST_LAYERS = 12

# Names that more than one module or package has, and why.  A package's main module may have
# the package's own name.
MODULES_OF_ONE_NAME = {
    "events": "`nbexec.events` is the public way to those of `nbexec.telemetry`",
    "run": "`nbexec.run` is one run; `nbexec.cell.run` runs a cell, and is its public entry",
}
CLASSES_OF_ONE_NAME: dict[str, str] = {}


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Give every module and package with code in it by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] != "__init__":
            found[".".join(parts)] = tree
        elif tree.body[1:]:  # more than a docstring
            found[".".join(parts[:-1])] = tree
    return found


@functools.cache
def docstrings() -> dict[str, str]:
    """Give the docstring of each test file by the file's path without its suffix."""
    return {
        str(path.relative_to(TESTS).with_suffix("")): ast.get_docstring(ast.parse(path.read_text()))
        or ""
        for path in TESTS.rglob("test_*.py")
    }


def _modules_in(docstring: str) -> set[str]:
    """Give what may be names of modules: ``nbexec.worker.entry``, ``worker/entry.py``."""
    words = (word.strip("`.,:;()'").removesuffix(".py") for word in docstring.split())
    dotted = (word.replace("/", ".").removeprefix("nbexec.") for word in words)
    return {"nbexec" if word == "nbexec" else f"nbexec.{word}" for word in dotted}


def contracts() -> list[dict[str, Any]]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    linter = config["tool"]["importlinter"]
    assert linter["exclude_type_checking_imports"] is False
    return linter["contracts"]


def test_each_module_has_a_test_of_its_name_or_one_that_names_it():
    files = docstrings()
    named = {word for docstring in files.values() for word in _modules_in(docstring)}
    untested = []
    for name in modules():
        *room, last = name.split(".")[1:] or [name]
        if "/".join([*room, f"test_{last}"]) not in files and name not in named:
            untested.append(name)
    assert not untested


def test_a_test_names_modules_that_are_there():
    known = {*modules()}
    for file, docstring in docstrings().items():
        _, _, covered = docstring.partition("Covers ")
        assert _modules_in(covered) - known <= {"nbexec.", "nbexec.and"}, file


def test_each_test_in_a_room_is_beside_what_it_tests():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    for path in TESTS.rglob("test_*.py"):
        room = path.relative_to(TESTS).parent
        if room.parts and room.parts[0] in rooms:
            assert (PACKAGE / room).is_dir(), path


def test_few_modules_are_at_the_root():
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_AT_THE_ROOT


def test_the_contracts_have_few_layers_and_leave_out_no_import():
    for contract in contracts():
        assert contract["type"] == "layers"
        assert contract["exhaustive"] is True
        assert 0 < len(contract["layers"]) <= MOST_LAYERS
    assert [contract["containers"] for contract in contracts()] == [["nbexec"], ["nbexec.cell"]]


def test_each_room_says_what_belongs_there():
    for path in PACKAGE.rglob("__init__.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert len(docstring) > 60, path


def test_no_two_modules_have_one_name():
    paths = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        if path.name == "__init__.py":
            paths[path.parent.name].add(path.parent)
        elif path.stem != path.parent.name:
            paths[path.stem].add(path)
    shared = {name for name, those in paths.items() if len(those) > 1}
    assert shared - {*MODULES_OF_ONE_NAME} == set()
    assert {*MODULES_OF_ONE_NAME} <= shared, "an exception that is none any more"


def test_no_two_public_classes_have_one_name():
    places = defaultdict(list)
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    shared = {name: those for name, those in places.items() if len(those) > 1}
    assert {name: shared[name] for name in shared if name not in CLASSES_OF_ONE_NAME} == {}
    assert {*CLASSES_OF_ONE_NAME} <= {*shared}, "an exception that is none any more"


def test_no_imports_go_in_a_circle():
    """Imports for type checkers count, and those within functions."""
    graph = grimp.build_graph("nbexec", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert circles(imports) == []


def circles(imports: dict[str, Iterable[str]]) -> list[list[str]]:
    """Give each set of modules that all reach each other by imports."""
    reached = {module: _reach(module, imports) for module in imports}
    found = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in imports
        if module in reached[module]
    }
    return sorted(sorted(circle) for circle in found)


def _reach(start: str, imports: dict[str, Iterable[str]]) -> set[str]:
    seen: set[str] = set()
    left = [*imports[start]]
    while left:
        if (module := left.pop()) not in seen:
            seen.add(module)
            left.extend(imports[module])
    return seen


def test_a_circle_is_found():
    imports = {"a": ["b"], "b": ["c", "d"], "c": ["b"], "d": [], "e": ["e"]}
    assert circles(imports) == [["b", "c"], ["e"]]
