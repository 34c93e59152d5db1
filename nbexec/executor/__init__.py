"""An executor with the interface of `concurrent.futures`, over the loop of a run.

executor.py      Executor: what is made, submitted to and shut down
future.py        CallFuture: what `submit` gives
mapping.py       what its `map` gives
computing.py     numeric kernels over an array
initializing.py  the initializer, in a worker
scheduling.py    calls later, or again and again: `schedule`, and its arguments (triggers.py,
                 crontab.py) as times (timings.py), which schedule.py decides upon
job.py           the handle of such a call, its runs (job_runs.py), and the one thread that
                 begins those of all executors (job_clock.py)
open_runs.py     which executors there are, for Python's end
"""
