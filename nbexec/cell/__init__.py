"""``%%parallel``: runs a cell with the answer of ``exec``, sooner.

Here belongs all that a cell needs between its source and its report: analysis, plan, runs of
its loops, effects in order.  IPython and widgets don't belong here (`nbexec.notebook` has
them), nor does the loop that runs items (`nbexec.run`); `execution.dispatch` alone calls it.

In the order in which imports go (each may import what is below it):

    detached.py     a cell in a thread, while the notebook goes on
    run.py          parallel(): a cell, or a function
    cell_run.py     each statement in its turn
    plan.py         source and namespace -> CellPlan, without running anything
    callbacks/      library calls that call a function for each row: their arguments, a stand-in
    execution/      loop_run.py: one loop, item by item;  commit.py: its effects and its end
                    group_run.py: statements at the same time;  in_kernel.py: as they stand
                    dispatch.py: the one caller of nbexec's runs;  effects.py: the log, applied
    report.py       CellPlan, CellReport;  plan_drawing.py: the plan as a picture
    loops/          find.py: which statements are loops;  eligibility.py: which may run at once
                    loop_body.py: how a body is analysed;  accumulator_aliases.py: other names
                    standalone.py: which statements may run beside others
                    dataflow.py: what waits for what;  rewrite.py: a body as a function
                    detachable.py: which names a detached cell leaves pending
    iteration/      in a worker: iteration.py: one iteration;  effect_log.py: its effects
                    boundary.py: what may leave the process;  guard.py: what must not change
    analysis/       functions.py: into functions;  statements.py: Scope, and its parts:
                    control_flow.py, expressions.py, calls.py, library_calls.py, reads.py
                    analysis.py: what they share;  heap.py, abstract_values.py: their domain
                    library_facts.py, method_facts.py: data, with reasons
    steps.py        Step: one statement, and how it ran

A statement that can't be shown to be safe runs serially, and the report says which line and why.
"""
