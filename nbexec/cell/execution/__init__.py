"""Execution of a cell's steps in the kernel: loops, groups of statements, and their effects.

Here belongs what runs a statement, hands its items to a run, or changes the notebook's names.
Whether a statement may run in parallel is decided in `nbexec.cell.loops`, before anything
runs; what runs in a worker is in `nbexec.cell.iteration`.
"""
