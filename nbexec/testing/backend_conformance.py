"""BackendConformance: what a backend promises, to be subclassed."""

from __future__ import annotations

from .backend_accounts import AccountsPromises
from .backend_failures import FailurePromises
from .backend_results import ResultsPromises
from .backend_steering import SteeringPromises


class BackendConformance(ResultsPromises, FailurePromises, SteeringPromises, AccountsPromises):
    """Every promise of a run, kept on one backend.

    A subclass whose name begins with ``Test`` is collected by pytest; it says which backend.  Each
    test is a promise, and its docstring says which.  What a backend doesn't promise is named in
    `missing`, with the reason, and skipped.  Tests of what can't be with a backend, as its
    attributes say (`remote`, `can_time_out`, `most_workers`), are skipped too: such as those of
    workers that die, where items run in the kernel's own process.

    Attributes
    ----------
    backend : str or object
        What ``backend=`` takes: the name that it is registered under, or a backend.
    workers : int
        How many workers the runs have.
    missing : dict of str to str
        Names of features, or of tests, with the reason why they are not promised.
    seconds : float
        How long anything is waited for; nothing is promised to be fast.

    Examples
    --------
    >>> from nbexec.testing import BackendConformance
    >>> class TestThreads(BackendConformance):
    ...     backend = "threads"
    """
