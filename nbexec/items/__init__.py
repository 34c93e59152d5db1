"""Where items come from, how many travel together, and where their outcomes go.

Which worker gets them is decided in `nbexec.placement`, when they go out in `nbexec.run.handle`.
"""
