"""Pipelines: functions wired by the names of their parameters and outputs.

nodes.py             Node: a function of a pipeline, with what it takes and gives; the decorator
routes.py            route: a step that picks which branch runs
nested.py            the steps of pipelines that are steps
step_values.py       what a step gives: of a generator function, a list
wiring.py            Wiring: which step waits for which, and what is wrong with that
annotations.py       types of outputs and of parameters that contradict each other
pipeline.py          Pipeline: what people call
sweep.py             the rows of `map`: zipped or every combination
pipeline_results.py  what people get, with labels, failures and a report

graph_rows.py        RowPlan: what a row has to go through, and what is next.  Pure
pipeline_flow.py     PipelineFlow: rows on their way through the steps
step_calls.py        StepCalls: an executor of some steps, and what is ready for it

step_keys.py         StepKeys: what a step's value is made of, as digests
step_recall.py       StepRecall: what a journal has of a row, and what has to run
step_journal.py      StepJournal: a run that keeps its values in a journal

step_counts.py       StepCounts: how far the rows are with a step; the report
step_states.py       the same at one moment, with rates.  Pure
pictures.py          a pipeline as text and as SVG
flow_display.py      FlowDisplay: draws a flow while it runs
step_lines.py        its lines in a terminal; in a notebook: notebook/pipeline_display.py
"""
