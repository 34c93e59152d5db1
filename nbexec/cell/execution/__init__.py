"""Running the steps of a cell: loops, groups of statements, and what each leaves behind.

Which statements may run how is decided in `nbexec.cell.loops`, before anything runs.
"""
