"""Pacing: how fast a run may go: rate limits, slowing down when a server asks, a budget.

::

    Backlog.next --> Pacing.next --> the loop sends it
                       |  Slowing: pauses, at most so many at once
                       |  Limiter, or SharedLimiter: windows over starts
                       |  Budget: what is spent

`windows`, `slowing` and `budget` decide purely; `pacing` puts them together for one run.
"""
