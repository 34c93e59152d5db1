"""Pipelines: functions wired by the names of their parameters and outputs.

nodes.py          Node: a function of a pipeline, with what it takes and gives; the decorator
wiring.py         Wiring: which step waits for which, and what is wrong with that
annotations.py    types of outputs and of parameters that contradict each other
pipeline_flow.py  PipelineFlow: items on their way through the steps, on executors
pipeline.py       Pipeline: what people call
sweep.py          the rows of `map`: zipped or every combination, and their labelled results
pictures.py       a pipeline as text and as SVG
"""
