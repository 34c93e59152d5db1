"""An executor with the interface of `concurrent.futures`, over the loop of a run.

executor.py      Executor: what is made, submitted to and shut down
future.py        CallFuture: what `submit` gives
mapping.py       what its `map` gives
computing.py     numeric kernels over an array
initializing.py  the initializer, in a worker
view.py          Executor.options: the same executor, with other options for its calls
queueing.py      the bound of its queue, and calls that callers run
lifecycle.py     how it ends, and what never began
open_runs.py     which executors there are, for Python's end
"""
