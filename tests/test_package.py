"""The package as a whole: what importing it loads, its layers, and what it leaves behind.

Covers `nbexec`, `nbexec.backends`, `nbexec.options` and `nbexec.worker.process`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

import nbexec

ROOT = Path(__file__).parent.parent
HEAVY = [
    "IPython",
    "ipywidgets",
    "bokeh",
    "loky",
    "distributed",
    "numpy",
    "psutil",
    "threadpoolctl",
]


def python(code, **more):
    script = textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=ROOT,
        **more,
    )


def test_importing_nbexec_loads_nothing_heavy():
    done = python(f"""
        import sys, nbexec
        loaded = [name for name in {HEAVY} if name in sys.modules]
        assert not loaded, loaded
    """)
    assert done.returncode == 0, done.stderr


def test_importing_nbexec_loads_next_to_nothing():
    """30 ms are promised, on a slow machine too: these take most of what it would take."""
    slow = ["asyncio", "dataclasses", "importlib.metadata", "pathlib", "threading", "typing"]
    done = python(f"""
        import sys
        before = set(sys.modules)
        import nbexec
        loaded = [name for name in {slow} if name in set(sys.modules) - before]
        assert not loaded, loaded
    """)
    assert done.returncode == 0, done.stderr


def test_a_run_in_the_kernel_loads_nothing_heavy_either():
    done = python(f"""
        import sys, nbexec
        assert nbexec.map(abs, [-1], progress="off") == [1]
        assert nbexec.map(abs, [-1], progress="off", backend="threads") == [1]
        loaded = [name for name in {HEAVY} if name in sys.modules]
        assert not loaded, loaded
    """)
    assert done.returncode == 0, done.stderr


def test_a_worker_process_loads_nothing_of_the_kernels_side():
    done = python("""
        import sys, nbexec
        def loaded(x):
            return [name for name in sys.modules if name.startswith("nbexec")]
        (names,) = nbexec.map(loaded, [0], backend="processes", progress="off")
        unwanted = ["api", "run", "placement", "telemetry", "backends", "journal", "observers"]
        assert "nbexec.worker.entry" in names
        names.remove("nbexec.backends")  # the registry, which `nbexec` itself binds
        assert not {*unwanted} & {name.split(".")[1] for name in names if "." in name}, names
    """)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there_and_documented():
    for name in nbexec.__all__:
        value = getattr(nbexec, name)
        assert value.__doc__, name
        assert name in dir(nbexec)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nbexec.nothing  # noqa: B018


def test_imports_go_one_way():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as m; m()"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


ENDINGS = {
    "end": "",
    "exit": "raise SystemExit(0)",
    "background": "nbexec.start(time.sleep, [60] * 9, backend=name, progress='off'); time.sleep(1)",
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ["processes", "dask", "threads", "asyncio"])
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_no_process_is_left_behind(name, ending, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
            import time, nbexec
            if __name__ == "__main__":
                name = {name!r}
                nbexec.map(abs, range(50), backend=name, workers=2, progress="off")
                {ending}
        """)
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NBEXEC_TEST_MARK": str(tmp_path)}
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, env=env
    ) as kernel:
        _, said = kernel.communicate(timeout=100)
    assert (kernel.returncode, said) == (0, "")
    assert time.monotonic() - begun < 90
    deadline = time.monotonic() + 10
    while left := [p for p in psutil.process_iter() if _marked(p, str(tmp_path))]:
        assert time.monotonic() < deadline, [p.cmdline() for p in left]
        time.sleep(0.05)
    assert not list(Path("/dev/shm").glob(f"nbexec-{kernel.pid}-*"))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ["processes", "dask"])
@pytest.mark.parametrize("work", ["[0] * 4", "[60] * 4"], ids=["idle", "busy"])
def test_workers_end_when_the_kernel_is_killed(name, work, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
            import time, nbexec
            if __name__ == "__main__":
                nbexec.map(abs, range(9), backend={name!r}, workers=2, progress="off")
                nbexec.start(time.sleep, {work}, backend={name!r}, workers=2, progress="off")
                time.sleep(0.5)
                print("ready", flush=True)
                time.sleep(60)
        """)
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NBEXEC_TEST_MARK": str(tmp_path)}
    command = [sys.executable, str(script)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, env=env) as kernel:
        assert kernel.stdout.readline() == b"ready\n"
        assert len([p for p in psutil.process_iter() if _marked(p, str(tmp_path))]) >= 3
        kernel.kill()
    deadline = time.monotonic() + 20
    while left := [p for p in psutil.process_iter() if _marked(p, str(tmp_path))]:
        assert time.monotonic() < deadline, [p.cmdline() for p in left]
        time.sleep(0.05)
    assert not list(Path("/dev/shm").glob(f"nbexec-{kernel.pid}-*"))


def _marked(process, mark):
    try:
        return process.environ().get("NBEXEC_TEST_MARK") == mark
    except psutil.Error:
        return False


def test_session_defaults_and_scopes():
    assert nbexec.configure().retries == 0
    nbexec.configure(retries=3)
    try:
        with nbexec.options(retries=1) as inside:
            assert inside.retries == 1
            with pytest.raises(nbexec.OptionError), nbexec.options(retries=-1):
                pass
            with nbexec.options(chunk=5) as deeper:
                assert (deeper.retries, deeper.chunk) == (1, 5)
        with pytest.raises(nbexec.OptionError, match="did you mean 'retries'"):
            nbexec.configure(retrys=1)
        assert nbexec.configure().retries == 3
    finally:
        nbexec.configure(retries=0)


def test_backends_can_be_registered(monkeypatch):
    from nbexec.backends.threads import Threads

    # `nbexec.backends` is a function, too
    monkeypatch.setattr(sys.modules["nbexec.backends"], "_factories", {})  # for this test alone
    nbexec.register_backend("mine", Threads)
    assert "mine" in nbexec.backends()
    assert nbexec.map(abs, [-1], backend="mine") == [1]
    for bad in ("auto", "not a name", 3):
        with pytest.raises(nbexec.OptionError, match="must be an identifier"):
            nbexec.register_backend(bad, Threads)
    with pytest.raises(nbexec.OptionError, match="must be callable"):
        nbexec.register_backend("other", 3)


def test_a_backend_whose_package_is_missing_says_what_to_install():
    done = python("""
        import sys
        sys.modules["distributed"] = None
        import nbexec
        try:
            nbexec.map(abs, [1], backend="dask", progress="off")
        except nbexec.BackendError as error:
            assert 'pip install "dask[distributed]"' in str(error), error
        else:
            raise AssertionError
    """)
    assert done.returncode == 0, done.stderr
