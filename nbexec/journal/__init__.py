"""The journal: an SQLite file that each finished item is written to, for a later run.

`observer` is a run's use of it, `recall` the feed that skips what it has, `writer` the
thread that writes, `values` what a value is as bytes, `claims` who writes now, `file` the file
itself, `registry` the list of files that there are.
"""
