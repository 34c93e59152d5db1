"""Static analysis of a cell's code, by abstract interpretation over the objects that are there.

Here belongs what reads source and objects, and data about library code; it runs neither.
Which statements are loops, and whether they may run in parallel, is decided in
`nbexec.cell.loops`.
"""
