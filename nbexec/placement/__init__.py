"""Which backend a run uses, with how many workers, and which worker has which chunk.

It sends nothing itself: the loop in `nbexec.run` does, to sessions of `nbexec.backends`.
"""
