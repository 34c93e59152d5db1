"""One run: its handle, its loop, its results, how it is steered and how it stops.

What people call is in `nbexec.api`; what watches a run is in `nbexec.observers`.
"""
