"""The code around items where they run: in a thread, a process, an interpreter, on a cluster.

It imports nothing of the kernel's side, and this package imports nothing at all: a worker
pays for each module when it starts.
"""
