"""joblib's own tests of parallel backends, with nbexec as the backend of all of them.

They come with joblib.  `NOT_OURS` names each that doesn't apply, and why.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nbexec

pytestmark = [pytest.mark.extended, pytest.mark.slow]

joblib = pytest.importorskip("joblib")
SUITE = Path(joblib.__file__).parent / "test" / "test_parallel.py"
if not SUITE.exists():
    pytest.skip(f"this joblib came without {SUITE.name}", allow_module_level=True)

CLASS = "names one of joblib's own classes, or what is private to it"
NESTED = "a second level is on joblib's own threads there, on nbexec's here"
LEVELS = "wants warnings that joblib's backends can't be nested; ours can"
MEMMAP = "wants an `np.memmap`; ours is a plain array over a mapped file"
FRESH = "needs a script of its own, in which nbexec isn't registered"
OTHER = "is about another backend"

NOT_OURS = {
    "test_error_capture": CLASS,
    "test_parallel_pickling": "wants joblib's words; ours name the function",
    "test_nested_parallel_warnings": LEVELS,
    "test_nested_backend_context_manager": NESTED,
    "test_nested_backend_in_sequential": "wants n_jobs=None to be 1; by name nbexec has all cores",
    "test_nested_parallelism_limit": NESTED,
    "test_effective_n_jobs_None": OTHER,
    "test_parallel_with_interactively_defined_functions": FRESH,
    "test_parallel_with_unpicklable_functions_in_args": FRESH,
    "test_parallel_with_interactively_defined_functions_loky": FRESH,
    "test_parallel_with_interactively_defined_bound_method_loky": FRESH,
    "test_auto_memmap_on_arrays_from_generator": MEMMAP,
    "test_memmapping_leaks": MEMMAP,
    "test_backend_hinting_and_constraints": "a hint chooses between nbexec's threads and processes",
    "test_backend_hinting_and_constraints_with_custom_backends": OTHER,
    "test_multiple_generator_call_separated_gc": "wants an error of shared pools; ours go on",
    "test_loky_reuse_workers": CLASS,
    "test_initializer_not_reused": "wants other processes; ours are initialized once more",
    "test_threadpool_limitation_in_child_override": CLASS,
    "test_dispatch_multiprocessing": "fixed batch of a manager",
}

HEAD = """
import nbexec
nbexec.configure(progress="off")
nbexec.register_joblib()
import joblib.parallel
joblib.parallel.DEFAULT_BACKEND = "nbexec"
"""


def ours(source: str) -> str:
    """Put nbexec in the place of the backends that tests are written for."""
    source = source.replace('["multiprocessing", "loky"]', '["nbexec"]')
    return re.sub(r'"loky"(?=[,\])])', '"nbexec"', source)


def test_joblibs_own_tests(tmp_path):
    module = tmp_path / "test_nbexec_in_joblib.py"
    source = ours(SUITE.read_text())
    at = source.index("\nimport ")
    module.write_text(source[:at] + HEAD + source[at:])
    folders = [str(Path(nbexec.__file__).parents[1]), str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", str(tmp_path)]
    for name in NOT_OURS:
        command += ["--deselect", f"{module.name}::{name}"]
    done = subprocess.run(
        [*command, module.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
