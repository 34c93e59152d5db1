"""An executor with the interface of `concurrent.futures`, over the loop of a run.

executor.py      Executor: what is made, submitted to and shut down
future.py        CallFuture: what `submit` gives
done_callbacks.py  what calls what futures were given to call
blocked_calls.py calls that wait in a worker for others of their executor
continuations.py calls that wait for futures, in no worker
groups.py        several calls submitted and waited for together
mapping.py       what its `map` gives
map_failures.py  what its `map` does about calls that fail
watching.py      its numbers, and its panel
computing.py     numeric kernels over an array
initializing.py  initializer, setup and teardown, in a worker
restarting.py    new workers, while it goes on
view.py          Executor.options: the same executor, with other options for its calls
queueing.py      the bound of its queue, and calls that callers run
lifecycle.py     how it ends, and what never began
scheduling.py    calls later, or again and again: `schedule`, and its arguments (triggers.py,
                 crontab.py) as times (timings.py), which schedule.py decides upon
job.py           the handle of such a call, its runs (job_runs.py), and the one thread that
                 begins those of all executors (job_clock.py)
open_runs.py     which executors there are, for Python's end
"""
