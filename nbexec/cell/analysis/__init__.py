"""What the code of a cell does, by abstract interpretation over the objects that are there.

It reads source and objects and runs neither; `nbexec.cell.loops` draws the conclusions.
"""
