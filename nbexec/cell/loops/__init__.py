"""Loops over independent items: finding them, judging them, and making functions of their bodies.

Here belongs each decision about a statement that is made before it runs.  The effects of a
body are found by `nbexec.cell.analysis`; running it is up to `nbexec.cell.execution`.
"""
