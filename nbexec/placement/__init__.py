"""Which backend a run uses, with how many workers, and which worker has which chunk.

It sends nothing itself: the loop in `nbexec.run.handle` does, to sessions of `nbexec.backends`.
"""
