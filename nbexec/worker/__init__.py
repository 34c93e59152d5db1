"""What runs where items run: in a thread, a process, an interpreter or on a cluster.

It imports nothing of the kernel's side, and this package imports nothing at all: a worker
pays for each module when it starts.
"""
