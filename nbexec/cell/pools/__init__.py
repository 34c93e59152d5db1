"""Pools of other libraries that a cell makes: their calls on worker processes of nbexec.

The pool stays the library's own, in a class of ours that is one of the library's.  Here belongs
which pools these are, when their calls may go to workers, and how their results come back to the
library's own futures.  Whatever can't be taken over is left to the library.
"""
