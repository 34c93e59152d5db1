"""One iteration of a cell's loop, in a worker: its environment, its limits, its effect log.

Here belongs what is sent to workers, and what they send back.  Applying the log to the
notebook's names doesn't: `nbexec.cell.execution` does that, in the kernel.
"""
