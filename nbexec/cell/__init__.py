"""What ``%%parallel`` does, with no IPython in it: the answer of ``exec``, sooner.

In the order in which a cell goes through it (each module imports what is below it):

    run.py          parallel(): the head in order, then the last statement item by item
    plan.py         the plan, a pure function of source and namespace;  report.py: CellReport
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
