"""`await` at the top level of a cell: items are awaited at the same time, with the same answer.

Covers `nbexec.cell.execution.awaiting` and `nbexec.cell.execution.allowed_backend`.
"""

from __future__ import annotations

import asyncio

import nbclient
import nbformat
import pytest

import nbexec

from ..both_ways import both

PRELUDE = """
import asyncio
async def fetch(x):
    await asyncio.sleep(0.0005 * (9 - x if x < 9 else 0))
    if x == 7:
        raise ValueError("seven")
    return [x * 2]
async def numbers(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i
gate = asyncio.Semaphore(2)
async def limited(x):
    async with gate:
        return await fetch(x)
out, total, d = [], 0, {}
"""

PAGE = """\
class Page:
    def __init__(self, x):
        self.x = x
    async def __aenter__(self):
        await asyncio.sleep(0)
        return self
    async def __aexit__(self, *error):
        await asyncio.sleep(0)
    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return self.x
"""

AT_ONCE = {
    "a loop": "for x in range(6):\n    y = await fetch(x)\n    out.append(y)\n    print(x, y)\n",
    "what awaits is in the effect": "for x in range(6):\n    total += (await fetch(x))[0]\n",
    "else": "for x in range(3):\n    out += await fetch(x)\nelse:\n    z = await fetch(x)\n",
    "break": "for x in range(20):\n    y = await fetch(x)\n    if y[0] > 5:\n        break\n",
    "an exception": "for x in range(20):\n    y = await fetch(x)\n    out.append(y)\n",
    "it is caught": "for x in range(9):\n    try:\n        out.append(await fetch(x))\n"
    "    except ValueError as error:\n        out.append(str(error))\n",
    "its own value is changed": "for x in range(4):\n    y = await fetch(x)\n    y.append(x)\n"
    "    out.append(y)\n",
    "a list": "res = [await fetch(x) for x in range(6)]\n",
    "a set": "res = {(await fetch(x))[0] for x in range(6)}\n",
    "a dict": "res = {x: await fetch(x) for x in range(6)}\n",
    "a list that raises": "res = [await fetch(x) for x in range(9)]\n",
    "a set that can't hold it": "res = {await fetch(x) for x in range(6)}\n",
    "a filter": "res = [x for x in range(6) if (await fetch(x))[0] % 4]\n",
    "inside an expression": "total += sum([(await fetch(x))[0] for x in range(4)])\n",
    "a semaphore": "for x in range(6):\n    async with gate:\n        out.append(await fetch(x))\n",
    "a semaphore in a function": "res = [await limited(x) for x in range(6)]\n",
    "async with": PAGE
    + "for x in range(4):\n    async with Page(x) as a:\n        out.append(a.x)\n",
    "async for": "for x in range(4):\n    async for i in numbers(x):\n        out.append(i)\n",
    "async comprehensions": "res = [[i async for i in numbers(x)] for x in range(4)]\n",
    "gather": "for x in range(3):\n    a, b = await asyncio.gather(fetch(x), fetch(x + 1))\n"
    "    out.append(a + b)\n",
    "wait_for": "res = [await asyncio.wait_for(fetch(x), 9) for x in range(3)]\n",
    "threads": "res = [await asyncio.to_thread(lambda v: v + 1, x) for x in range(3)]\n",
    "a TaskGroup": "async def both(x):\n    async with asyncio.TaskGroup() as group:\n"
    "        task = group.create_task(fetch(x))\n    return task.result()\n"
    "for x in range(3):\n    d[x] = await both(x)\n",
    "items that come with await": "res = [await fetch(x) for x in await fetch(1)]\n",
    "an object that can be awaited": PAGE + "res = [await Page(x) for x in range(3)]\n",
}

IN_ORDER = {
    "a value that is carried": "n = 0\nfor x in range(4):\n    n = (await fetch(n))[0] + x\n",
    "async for": "async for i in numbers(3):\n    out.append(i)\n",
    "an async comprehension": "res = [i async for i in numbers(3)]\n",
    "async with": PAGE
    + "async with Page(3) as page:\n    res = [await fetch(i) for i in range(3)]\n",
    "an await": "res = await fetch(3)\nagain = await fetch(4)\n",
    "a generator": "res = sum(await fetch(x) for x in range(3))\n",
    "a task in the background": "async def late(x):\n    asyncio.create_task(fetch(x))\n"
    "    return x\nfor x in range(3):\n    out.append(await late(x))\n",
    "a queue": "queue = asyncio.Queue()\nfor x in range(3):\n    await queue.put(x)\n",
    "coroutines": "todo = [fetch(1), fetch(2)]\nfor one in todo:\n    out.append(await one)\n",
    "one coroutine": "one = fetch(1)\nfor x in range(1):\n    out.append(await one)\n",
    "hidden state": "calls = 0\nasync def count():\n    global calls\n    calls += 1\n"
    "    return calls\nres = [await count() for x in range(3)]\n",
    "what is awaited is shared": "rows = [[1]]\nclass Late:\n    def __await__(self):\n"
    "        yield from asyncio.sleep(0).__await__()\n        return rows\n"
    "for x in range(3):\n    (await Late())[0].append(x)\n    out.append(len(rows[0]))\n",
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_is_awaited_for_each_item_is_awaited_at_once(name):
    left = both(PRELUDE + AT_ONCE[name], backend="asyncio")
    if left.report is not None:
        assert left.report.steps[-1].kind == "parallel", left.report
        assert left.report.steps[-1].stats.backend == "asyncio"
        both(PRELUDE + AT_ONCE[name], backend="auto")


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
@pytest.mark.parametrize("name", IN_ORDER)
def test_the_rest_is_awaited_in_order(name, backend):
    left = both(PRELUDE + IN_ORDER[name], backend=backend)
    if left.report is not None:
        assert left.report.steps[-1].kind == "serial", left.report


@pytest.mark.parametrize("backend", ["threads", "processes", "serial"])
def test_on_other_backends_it_is_awaited_in_order(backend):
    left = both(PRELUDE + AT_ONCE["a loop"], backend=backend)
    assert f"awaits, which backend='{backend}' can't do" in str(left.report)


def test_the_items_wait_at_the_same_time():
    """Each waits for all the others: in order they would never end."""
    there: list[int] = []

    async def meet(x):
        there.append(x)
        while len(there) < 5:
            await asyncio.sleep(0.001)
        return x

    # Passes for library code, which the analysis doesn't look into.
    meet.__code__ = meet.__code__.replace(co_filename=asyncio.__file__)
    names = {"meet": meet}
    cell = "out = [await meet(x) for x in range(5)]"
    nbexec.parallel(cell, names, progress="off", workers=5)
    assert names["out"] == [0, 1, 2, 3, 4]


def test_it_works_where_a_loop_runs_and_where_none_does():
    names = {}
    nbexec.parallel(PRELUDE + "res = [await fetch(x) for x in range(3)]", names, progress="off")

    async def main():
        nbexec.parallel("res += await fetch(5)", names, progress="off")

    asyncio.run(main())
    assert names["res"] == [[0], [2], [4], 10]


def test_statements_share_a_loop_and_context():
    cell = """
import asyncio, contextvars
where = contextvars.ContextVar("where")
async def here():
    where.set("set")
    return asyncio.get_running_loop()
first = await here()
second = await here()
what = where.get()
"""
    names = {}
    nbexec.parallel(cell, names, progress="off")
    assert names["first"] is names["second"]
    assert names["what"] == "set"


def test_what_belongs_to_another_loop_is_explained():
    async def main():
        future = asyncio.get_running_loop().create_future()
        with pytest.raises(RuntimeError, match="different loop") as raised:
            nbexec.parallel("await future", {"future": future}, progress="off")
        assert "make it in this cell" in raised.value.__notes__[0]

    asyncio.run(main())


def test_failures_are_collected():
    names = {}
    cell = PRELUDE + "for x in range(9):\n    out.append(await fetch(x))\n"
    report = nbexec.parallel(cell, names, on_error="collect", progress="off")
    assert names["out"] == [[x * 2] for x in range(9) if x != 7]
    assert [one.index for one in report.failures] == [7]


def test_an_item_that_takes_too_long_is_stopped():
    names = {}
    cell = "import asyncio\nout = []\nfor x in [0, 60, 0]:\n    await asyncio.sleep(x)\n"
    cell += "    out.append(x)\n"
    report = nbexec.parallel(cell, names, on_error="collect", timeout=2.0, progress="off")
    assert names["out"] == [0, 0]
    assert isinstance(report.failures[0].exception, nbexec.ItemTimeout)


def test_a_system_exit_ends_the_cell_and_not_the_loop():
    for cell in ("raise SystemExit(3)", "await leave()", "out = [await leave() for x in [1]]"):
        with pytest.raises(SystemExit):
            nbexec.parallel(
                f"async def leave():\n    raise SystemExit(3)\n{cell}", {}, progress="off"
            )
    nbexec.parallel("import asyncio\nawait asyncio.sleep(0)", {}, progress="off")


def test_a_traceback_has_the_lines_of_the_cell():
    for cell in ("x = await fetch(7)\n", "res = [await fetch(x) for x in [7]]\n",
                 "for x in [7]:\n    await fetch(x)\n"):  # fmt: skip
        with pytest.raises(ValueError, match="seven") as raised:
            nbexec.parallel(PRELUDE + cell, {}, progress="off")
        lines = [one.tb_lineno for one in _cell(raised.value.__traceback__)]
        assert lines[-1] == 6
        assert lines[0] == PRELUDE.count("\n") + cell.count("\n")


def _cell(trace):
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<cell>":
            yield trace
        trace = trace.tb_next


def test_a_detached_cell_awaits():
    from nbexec.cell.detached import detach

    names = {}
    nbexec.parallel(PRELUDE, names, progress="off")
    cell = detach("res = [await fetch(x) for x in range(3)]\n", names, progress="off")
    assert cell.wait(30)
    assert cell.error is None
    assert names["res"] == [[0], [2], [4]]


def test_in_a_kernel_whose_loop_runs():
    cells = [
        "%load_ext nbexec\nimport asyncio\nasync def fetch(x):\n    await asyncio.sleep(0.01)\n"
        "    return x * 2\nfirst = await fetch(1)",
        "%%parallel\nres = [await fetch(x) for x in range(3)]\nlast = await fetch(4)",
        "more = %parallel [await fetch(x) for x in range(2)]",
        "print(res, last, more, await fetch(9))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    (said,) = notebook.cells[3].outputs
    assert said.text == "[0, 2, 4] 8 [0, 2] 18\n"
