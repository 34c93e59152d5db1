"""Facts about library code that has state, changes its arguments, or needs an order: data.

Code of the standard library and of installed packages is taken to have no hidden state
and to leave its arguments alone, apart from what is listed here.  Names are those of
modules as they are documented; ``.*`` stands for everything in a module.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """Give the names that a text of a table lists.

    Examples
    --------
    >>> sorted(words("mean sum"))
    ['mean', 'sum']
    """
    return frozenset(text.split())


RANDOM = "draws random numbers, which come in an order"
FILES = "changes files, where order may matter"
OUTPUT = "writes output, which comes in an order"
BAR = "draws a progress bar, where bars come in an order"
PROGRAM = "runs another program, which may do anything"
SENDS = "sends something, where order may matter"
CLOCK = "reads the clock"
BACKGROUND = "starts something that goes on by itself"
LOOP = "reaches the event loop, and all that runs on it"
PROCESS = "changes a setting of the whole process"
CLASS = "makes a class"

STATEFUL = {
    "IPython.*": OUTPUT,
    "asyncio.all_tasks": LOOP,
    "asyncio.create_task": BACKGROUND,
    "asyncio.current_task": LOOP,
    "asyncio.ensure_future": BACKGROUND,
    "asyncio.events.*": LOOP,
    "asyncio.get_event_loop": LOOP,
    "asyncio.get_running_loop": LOOP,
    "asyncio.new_event_loop": LOOP,
    "asyncio.run_coroutine_threadsafe": BACKGROUND,
    "asyncio.set_event_loop": LOOP,
    "asyncio.tasks.all_tasks": LOOP,
    "asyncio.tasks.create_task": BACKGROUND,
    "asyncio.tasks.current_task": LOOP,
    "asyncio.tasks.ensure_future": BACKGROUND,
    "asyncio.tasks.run_coroutine_threadsafe": BACKGROUND,
    "atexit.*": PROCESS,
    "attr.make_class": CLASS,
    "bokeh.io.*": OUTPUT,
    "bokeh.plotting.output_file": OUTPUT,
    "bokeh.plotting.save": FILES,
    "bokeh.plotting.show": OUTPUT,
    "builtins.__import__": "imports by name",
    "builtins.breakpoint": "stops in the debugger",
    "builtins.compile": "makes code as it runs",
    "builtins.eval": "runs code that can't be looked into",
    "builtins.exec": "runs code that can't be looked into",
    "builtins.globals": "reaches every global name",
    "builtins.hash": "gives what differs from process to process",
    "builtins.help": OUTPUT,
    "builtins.id": "gives what differs from process to process",
    "builtins.input": "asks for input",
    "builtins.locals": "reaches every name",
    "builtins.print": "prints, and only a print that is a statement of the loop itself can wait",
    "collections.namedtuple": CLASS,
    "contextlib.chdir": PROCESS,
    "cv2.imwrite": FILES,
    "dataclasses.make_dataclass": CLASS,
    "dbm.open": FILES,
    "decimal.getcontext": PROCESS,
    "decimal.setcontext": PROCESS,
    "enum.Enum": CLASS,
    "enum.Flag": CLASS,
    "enum.IntEnum": CLASS,
    "enum.IntFlag": CLASS,
    "enum.StrEnum": CLASS,
    "ftplib.*": SENDS,
    "gc.*": PROCESS,
    "httpx.api.delete": SENDS,
    "httpx.api.patch": SENDS,
    "httpx.api.post": SENDS,
    "httpx.api.put": SENDS,
    "httpx.delete": SENDS,
    "httpx.patch": SENDS,
    "httpx.post": SENDS,
    "httpx.put": SENDS,
    "imageio.imwrite": FILES,
    "imageio.mimsave": FILES,
    "importlib.*": "imports by name",
    "joblib.dump": FILES,
    "locale.setlocale": PROCESS,
    "logging.*": OUTPUT,
    "matplotlib.image.imsave": FILES,
    "matplotlib.pyplot.*": "draws on the current figure",
    "numpy.random.*": RANDOM,
    "numpy.save": FILES,
    "numpy.savetxt": FILES,
    "numpy.savez": FILES,
    "numpy.savez_compressed": FILES,
    "numpy.set_printoptions": PROCESS,
    "numpy.seterr": PROCESS,
    "operator.methodcaller": "makes a call by name",
    "os.chdir": PROCESS,
    "os.chmod": FILES,
    "os.fork": PROGRAM,
    "os.kill": PROGRAM,
    "os.link": FILES,
    "os.makedirs": FILES,
    "os.mkdir": FILES,
    "os.popen": PROGRAM,
    "os.putenv": PROCESS,
    "os.remove": FILES,
    "os.removedirs": FILES,
    "os.rename": FILES,
    "os.renames": FILES,
    "os.replace": FILES,
    "os.rmdir": FILES,
    "os.symlink": FILES,
    "os.system": PROGRAM,
    "os.truncate": FILES,
    "os.umask": PROCESS,
    "os.unlink": FILES,
    "os.unsetenv": PROCESS,
    "os.utime": FILES,
    "os.write": FILES,
    "pandas.set_option": PROCESS,
    "pprint.pp": OUTPUT,
    "pprint.pprint": OUTPUT,
    "random.*": RANDOM,
    "requests.api.delete": SENDS,
    "requests.api.patch": SENDS,
    "requests.api.post": SENDS,
    "requests.api.put": SENDS,
    "requests.delete": SENDS,
    "requests.patch": SENDS,
    "requests.post": SENDS,
    "requests.put": SENDS,
    "scipy.io.savemat": FILES,
    "scipy.io.wavfile.write": FILES,
    "shelve.open": FILES,
    "shutil.chown": FILES,
    "shutil.copy": FILES,
    "shutil.copy2": FILES,
    "shutil.copyfile": FILES,
    "shutil.copytree": FILES,
    "shutil.make_archive": FILES,
    "shutil.move": FILES,
    "shutil.rmtree": FILES,
    "shutil.unpack_archive": FILES,
    "signal.*": PROCESS,
    "smtplib.*": SENDS,
    "soundfile.write": FILES,
    "subprocess.*": PROGRAM,
    "sys.displayhook": OUTPUT,
    "sys.setprofile": PROCESS,
    "sys.setrecursionlimit": PROCESS,
    "sys.getrecursionlimit": "tells what is different in a worker",
    "sys.settrace": PROCESS,
    "tempfile.*": FILES,
    "threading.setprofile": PROCESS,
    "threading.settrace": PROCESS,
    "torch.manual_seed": RANDOM,
    "torch.rand": RANDOM,
    "torch.randint": RANDOM,
    "torch.randn": RANDOM,
    "torch.randperm": RANDOM,
    "torch.save": FILES,
    "tqdm.*": BAR,
    "traceback.print_exc": OUTPUT,
    "traceback.print_exception": OUTPUT,
    "traceback.print_stack": OUTPUT,
    "types.new_class": CLASS,
    "typing.NamedTuple": CLASS,
    "typing.TypedDict": CLASS,
    "unittest.mock.*": PROCESS,
    "urllib.request.urlretrieve": FILES,
    "warnings.filterwarnings": PROCESS,
    "warnings.resetwarnings": PROCESS,
    "warnings.simplefilter": PROCESS,
    "warnings.warn": "warns once for each place, in order",
}
# Methods of `random.Random` that draw, and change nothing else.
DRAWS = {
    *("betavariate", "binomialvariate", "choice", "choices", "expovariate", "gammavariate"),
    *("gauss", "getrandbits", "lognormvariate", "normalvariate", "paretovariate", "randbytes"),
    *("randint", "random", "randrange", "sample", "triangular", "uniform", "vonmisesvariate"),
    "weibullvariate",
}

# Exceptions to the patterns above: each makes a generator of its own.
HARMLESS = {
    "numpy.random.Generator",
    "numpy.random.PCG64",
    "numpy.random.RandomState",
    "numpy.random.SeedSequence",
    "numpy.random.default_rng",
    "random.Random",
    "random.SystemRandom",
}
# Fine in a loop, but not ahead of the statements before: what they give depends on when.
CLOCKS = {
    "datetime.date.today": CLOCK,
    "datetime.datetime.now": CLOCK,
    "datetime.datetime.today": CLOCK,
    "datetime.datetime.utcnow": CLOCK,
    "os.getloadavg": CLOCK,
    "os.times": CLOCK,
    "psutil.*": "looks at this machine, as it is at the moment",
    "resource.*": "looks at this process, as it is at the moment",
    "time.asctime": CLOCK,
    "time.clock_gettime": CLOCK,
    "time.ctime": CLOCK,
    "time.gmtime": CLOCK,
    "time.localtime": CLOCK,
    "time.monotonic": CLOCK,
    "time.monotonic_ns": CLOCK,
    "time.perf_counter": CLOCK,
    "time.perf_counter_ns": CLOCK,
    "time.process_time": CLOCK,
    "time.process_time_ns": CLOCK,
    "time.strftime": CLOCK,
    "time.thread_time": CLOCK,
    "time.time": CLOCK,
    "time.time_ns": CLOCK,
    "timeit.*": CLOCK,
    "tracemalloc.*": "looks at this process, as it is at the moment",
}
# Fine in a worker process, which runs one item at a time, but not beside other threads.
# The first is what makes `warnings.simplefilter` harmless inside its `with` block.
CATCH_WARNINGS = "warnings.catch_warnings"
ONE_THREAD = {
    CATCH_WARNINGS: "sets the warning filters of all threads",
    "contextlib.redirect_stderr": "sets sys.stderr of all threads",
    "contextlib.redirect_stdout": "sets sys.stdout of all threads",
}

# Instances that change when they are used at all.
STATEFUL_TYPES = {
    "asyncio.locks.Barrier": "a barrier counts those who wait at it",
    "asyncio.locks.Condition": "a lock orders those who wait for it",
    "asyncio.locks.Event": "an event tells one task of another",
    "asyncio.locks.Lock": "a lock orders those who wait for it",
    "asyncio.locks.Semaphore": "a semaphore orders those who wait for it",
    "asyncio.queues.Queue": "a queue changes when it is used",
    "_io._IOBase": "a file has a position, which reading and writing change",
    "_thread.RLock": "a lock orders those who wait for it",
    "_thread.lock": "a lock orders those who wait for it",
    "logging.Logger": OUTPUT,
    "numpy.random._generator.Generator": RANDOM,
    "numpy.random.mtrand.RandomState": RANDOM,
    "queue.Queue": "a queue changes when it is used",
    "random.Random": RANDOM,
    "sqlite3.Connection": "a database connection belongs to one thread",
    "sqlite3.Cursor": "a database cursor has a position",
}

# These are after `async with` what they were before.
ORDERING = {
    "asyncio.locks.BoundedSemaphore",
    "asyncio.locks.Lock",
    "asyncio.locks.Semaphore",
}

# Functions that open something for writing if their mode says so, and where the mode is.
OPENERS = {
    "builtins.open": 1,
    "bz2.open": 1,
    "codecs.open": 1,
    "gzip.open": 1,
    "h5py.File": 1,
    "io.open": 1,
    "lzma.open": 1,
    "os.fdopen": 1,
    "tarfile.open": 1,
    "zipfile.ZipFile": 1,
}

# Functions that change one of their arguments: its position.
MUTATORS = {
    "ast.copy_location": 0,
    "ast.fix_missing_locations": 0,
    "ast.increment_lineno": 0,
    "bisect.insort": 0,
    "bisect.insort_left": 0,
    "bisect.insort_right": 0,
    "builtins.delattr": 0,
    "builtins.next": 0,
    "builtins.setattr": 0,
    "functools.update_wrapper": 0,
    "heapq.heapify": 0,
    "heapq.heappop": 0,
    "heapq.heappush": 0,
    "heapq.heappushpop": 0,
    "heapq.heapreplace": 0,
    "numpy.copyto": 0,
    "numpy.fill_diagonal": 0,
    "numpy.place": 0,
    "numpy.put": 0,
    "numpy.put_along_axis": 0,
    "numpy.putmask": 0,
    "operator.delitem": 0,
    "operator.iadd": 0,
    "operator.iand": 0,
    "operator.iconcat": 0,
    "operator.imul": 0,
    "operator.ior": 0,
    "operator.isub": 0,
    "operator.ixor": 0,
    "operator.setitem": 0,
    "shutil.copyfileobj": 1,
    "struct.pack_into": 1,
    "xml.etree.ElementTree.SubElement": 0,
}

# Functions that call one of their arguments: its position.
CALLING = {
    "functools.reduce": 0,
    "itertools.accumulate": 1,
    "itertools.dropwhile": 0,
    "itertools.filterfalse": 0,
    "itertools.groupby": 1,
    "itertools.starmap": 0,
    "itertools.takewhile": 0,
    "numpy.apply_along_axis": 0,
    "numpy.apply_over_axes": 0,
    "numpy.fromfunction": 0,
    "numpy.frompyfunc": 0,
    "numpy.vectorize": 0,
}

# Functions whose result never is, or holds, one of their arguments.
DETACHED = {
    "ast.dump",
    "ast.literal_eval",
    "ast.parse",
    "ast.unparse",
    "base64.*",
    "binascii.*",
    "cmath.*",
    "copy.deepcopy",
    "datetime.*",
    "hashlib.*",
    "html.*",
    "json.*",
    "math.*",
    "os.path.*",
    "pickle.dumps",
    "pickle.loads",
    "re.*",
    "string.*",
    "struct.*",
    "textwrap.*",
    "time.*",
    "unicodedata.*",
    "urllib.parse.*",
    "zlib.*",
}

# Context managers that swallow exceptions, so that a block may end before its last line.
SUPPRESSORS = {"contextlib.ExitStack", "contextlib.suppress", "pytest.raises"}

# Packages whose objects are drawn on.
DRAWING = {"bokeh", "matplotlib", "plotly", "seaborn"}

# Objects, neither functions nor classes, that can be called without being changed.
PURE_CALLABLES = {
    "networkx.classes.reportviews.*",
    "numpy.ufunc",
    "operator.attrgetter",
    "operator.itemgetter",
}

# Types whose values can't be changed, nor reach anything that can.
IMMUTABLE = {
    "builtins.NoneType",
    "builtins.NotImplementedType",
    "builtins.bool",
    "builtins.bytes",
    "builtins.complex",
    "builtins.ellipsis",
    "builtins.float",
    "builtins.int",
    "builtins.range",
    "builtins.str",
    "datetime.date",
    "datetime.datetime",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "decimal.Decimal",
    "fractions.Fraction",
    "ipaddress.IPv4Address",
    "ipaddress.IPv4Network",
    "ipaddress.IPv6Address",
    "ipaddress.IPv6Network",
    "pandas._libs.tslibs.timedeltas.Timedelta",
    "pandas._libs.tslibs.timestamps.Timestamp",
    "pandas.Interval",
    "pandas.Period",
    "pandas.Timedelta",
    "pandas.Timestamp",
    "pandas._libs.interval.Interval",
    "pandas._libs.missing.NAType",
    "pandas._libs.tslibs.nattype.NaTType",
    "pandas._libs.tslibs.period.Period",
    "pandas.api.typing.NAType",
    "pandas.api.typing.NaTType",
    "re.Match",
    "re.Pattern",
    "uuid.UUID",
    "zoneinfo.ZoneInfo",
} | {
    f"{module}.{name}"
    for module in ("pathlib", "pathlib._local")  # 3.13 moved them, 3.14 moved them back
    for name in (
        "Path",
        "PosixPath",
        "PurePath",
        "PurePosixPath",
        "PureWindowsPath",
        "WindowsPath",
    )
}
