"""Timing, side by side with peers: ``python -m tests.benchmarks``.  Never a test."""
