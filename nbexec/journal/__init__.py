"""Checkpoints: an SQLite file with each finished item, and the fingerprints that find it again.

What runs, and where, is decided in `nbexec.run`: this package looks values up before items run,
and writes them when they have.  `journal` is one run's use of a file; `nbexec.history` lists past
runs.
"""
