"""This machine and this interpreter: cores, memory, BLAS threads, the GIL, whose code it is.

What is here knows nothing of runs, items or workers, and imports nothing of nbexec.
"""
