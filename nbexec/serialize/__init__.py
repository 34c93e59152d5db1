"""Crossing a process boundary: pickles, files that hold large buffers, tracebacks.

What decides when something is sent, and to whom, is in `nbexec.backends`.
"""
