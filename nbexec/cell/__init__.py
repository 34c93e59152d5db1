"""What ``%%parallel`` does, with no IPython in it: the answer of ``exec``, sooner.

In the order in which a cell goes through it (each module imports what is below it):

    run.py          parallel(): each statement in its turn, with what others did ahead of theirs
    detached.py     the same in a thread, while the notebook goes on
    plan.py         the plan, a pure function of source and namespace;  report.py: CellReport
    loop_run.py     one loop, item by item;  ending.py: what it leaves
    group.py        statements at the same time;  alone.py: which may;  dispatch.py: their run
    kernel.py       what runs as it stands;  awaiting.py: on an event loop, where it awaits
    loops.py        which statements are loops over items;  sites.py: what they accumulate
    analysis.py     what a body does, by abstract interpretation; it looks inside functions:
    scope.py        statements;  expressions.py: expressions;  calls.py: calls
    aliases.py      what is reachable from what, as objects are at this moment
    values.py       how far a value reaches: FROZEN, FRESH, OWN, SHARED
    hidden.py       what library code is known to keep, change or order: data with reasons
    source.py       from a function's code to its syntax tree
    rewrite.py      a loop's body as a function of one item
    iteration.py    what runs in a worker;  crossing.py: what may leave it
    items.py        where items come from;  effects.py: the log of an iteration, and its use

What can't be shown safe runs serially, and the report says which line and why.
"""
