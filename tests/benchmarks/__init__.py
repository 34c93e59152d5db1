"""Timing, side by side with peers: ``python -m tests.benchmarks``.  Never a test.

::

    __main__   the command line
    goals      what a measurement is judged by, and the verdict: pure
    measure    one side after the other, in turn
    catalog    the benchmarks by name; what they are given
    peers      every other library's way to map a function over items
    work       what items do
    overhead, balance, waiting, calls, arrays, numeric, starting, streaming, pipelines, panel,
    cells, stages, fits
               the benchmarks
    one        measures one line of the table, in a process of its own
    runner     starts such processes, one after the other
    facts      the machine, versions, the load
    record     all that was measured, as JSON
    show       what is seen meanwhile, and the table
    page, chart
               docs/performance.md
"""
