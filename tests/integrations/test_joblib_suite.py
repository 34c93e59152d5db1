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
ALL = "wants n_jobs=None to be one job; the backend nbexec has all cores then"
MEMMAP = "wants an `np.memmap`; ours is a plain array over a mapped file"

NOT_OURS = {
    "test_effective_n_jobs_None": ALL,
    "test_nested_backend_in_sequential": ALL,
    "test_error_capture": CLASS,
    "test_backend_hinting_and_constraints": CLASS,
    "test_invalid_backend_hinting_and_constraints": "wants no shared memory; ours has threads",
    "test_parallel_pickling": "wants joblib's words; ours name the function",
    "test_nested_parallel_warnings": "wants warnings that backends can't be nested; ours can",
    "test_nested_backend_context_manager": NESTED,
    "test_nested_parallelism_limit": NESTED,
    "test_auto_memmap_on_arrays_from_generator": MEMMAP,
    "test_memmapping_leaks": MEMMAP,
    "test_multiple_generator_call_separated_gc": "wants an error of a shared pool; ours goes on",
    "test_initializer_not_reused": "wants other processes; ours are initialized once more",
    "test_threadpool_limitation_in_child_override": "wants four threads, more than its cores",
    "test_parallel_with_interactively_defined_bound_method_loky": "wants joblib's logging",
}

# The others are of joblib's own backends.
WANTED = "nbexec or None or _loky or not (loky or threading or multiprocessing or sequential)"

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
    source = re.sub(r'"loky"(?=[,\])])', '"nbexec"', source)
    at = source.index("\nimport ")
    source = source[:at] + HEAD + source[at:]
    # scripts, which are made for a machine that is not busy
    first = "\nfrom joblib import Parallel, delayed"
    source = source.replace(first, HEAD + first)
    return source.replace("timeout=10,", "timeout=100,")


@pytest.mark.timeout(1600)
def test_joblibs_own_tests(tmp_path):
    module = tmp_path / "test_in_joblib.py"
    module.write_text(ours(SUITE.read_text()))
    folders = [str(Path(nbexec.__file__).parents[1]), str(tmp_path)]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", str(tmp_path), "-k", WANTED]
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
