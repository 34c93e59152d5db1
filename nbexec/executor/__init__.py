"""An executor with the interface of `concurrent.futures`, over the loop of a run.

executor.py      Executor: what is made, submitted to and shut down
future.py        CallFuture: what `submit` gives
mapping.py       what its `map` gives
computing.py     numeric kernels over an array
initializing.py  initializer, setup and teardown, in a worker
restarting.py    new workers, while it goes on
open_runs.py     which executors there are, for Python's end
"""
