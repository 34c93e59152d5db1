"""Loops inside the user's own functions: they run item by item, as those of a cell do.

Here belongs what has a function hand over its loops while a cell runs.  What such a loop then
does, plainly or on workers, is in `nbexec.cell.execution`.
"""
