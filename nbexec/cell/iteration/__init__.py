"""One iteration of a cell's loop, in a worker: what it may touch, and the log of its effects.

The log is applied in the kernel, by `nbexec.cell.execution`.
"""
