"""Which statements are loops over independent items, and the functions made of their bodies.

What a body does is found by `nbexec.cell.analysis`; nothing here runs a statement.
"""
