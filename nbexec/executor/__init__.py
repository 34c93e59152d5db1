"""An executor with the interface of `concurrent.futures`, over the loop of a run.

executor.py      Executor: what is made, submitted to and shut down
future.py        CallFuture: what `submit` gives
blocked_calls.py calls that wait in a worker for others of their executor
continuations.py calls that wait for futures, in no worker
groups.py        several calls submitted and waited for together
mapping.py       what its `map` gives
map_failures.py  what its `map` does about calls that fail
computing.py     numeric kernels over an array
initializing.py  the initializer, in a worker
open_runs.py     which executors there are, for Python's end
"""
