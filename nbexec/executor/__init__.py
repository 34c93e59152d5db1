"""An executor with the interface of `concurrent.futures`, over the loop of a run.

executor.py      Executor: what is made, submitted to and shut down
future.py        CallFuture: what `submit` gives
mapping.py       what its `map` gives
watching.py      its numbers, and its panel
computing.py     numeric kernels over an array
initializing.py  the initializer, in a worker
open_runs.py     which executors there are, for Python's end
"""
