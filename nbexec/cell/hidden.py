"""What library code is known to keep, change or order: data, with a reason for each.

Code of the standard library and of installed packages is taken to have no hidden state
and to leave its arguments alone, apart from what is listed here.  Names are those of
modules as they are documented; ``.*`` stands for everything in a module.
"""

from __future__ import annotations

RANDOM = "draws random numbers, which come in an order"
FILES = "changes files, where order may matter"
OUTPUT = "writes output, which comes in an order"
PROGRAM = "runs another program, which may do anything"
PROCESS = "changes a setting of the whole process"

STATEFUL = {
    "IPython.*": OUTPUT,
    "atexit.*": PROCESS,
    "builtins.__import__": "imports by name",
    "builtins.breakpoint": "stops in the debugger",
    "builtins.compile": "makes code as it runs",
    "builtins.eval": "runs code that can't be looked into",
    "builtins.exec": "runs code that can't be looked into",
    "builtins.globals": "reaches every global name",
    "builtins.help": OUTPUT,
    "builtins.input": "asks for input",
    "builtins.locals": "reaches every name",
    "builtins.print": "prints, and only a print that is a statement of the loop itself can wait",
    "contextlib.chdir": PROCESS,
    "decimal.getcontext": PROCESS,
    "decimal.setcontext": PROCESS,
    "gc.*": PROCESS,
    "importlib.*": "imports by name",
    "locale.setlocale": PROCESS,
    "logging.*": OUTPUT,
    "matplotlib.pyplot.*": "draws on the current figure",
    "numpy.random.*": RANDOM,
    "numpy.seterr": PROCESS,
    "numpy.set_printoptions": PROCESS,
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
    "operator.methodcaller": "makes a call by name",
    "pandas.set_option": PROCESS,
    "pprint.pp": OUTPUT,
    "pprint.pprint": OUTPUT,
    "random.*": RANDOM,
    "shutil.copy": FILES,
    "shutil.copy2": FILES,
    "shutil.copyfile": FILES,
    "shutil.copytree": FILES,
    "shutil.move": FILES,
    "shutil.rmtree": FILES,
    "signal.*": PROCESS,
    "subprocess.*": PROGRAM,
    "sys.displayhook": OUTPUT,
    "sys.setrecursionlimit": PROCESS,
    "sys.settrace": PROCESS,
    "sys.setprofile": PROCESS,
    "threading.setprofile": PROCESS,
    "threading.settrace": PROCESS,
    "torch.manual_seed": RANDOM,
    "torch.rand": RANDOM,
    "torch.randint": RANDOM,
    "torch.randn": RANDOM,
    "torch.randperm": RANDOM,
    "traceback.print_exc": OUTPUT,
    "traceback.print_exception": OUTPUT,
    "traceback.print_stack": OUTPUT,
    "unittest.mock.*": PROCESS,
    "warnings.filterwarnings": PROCESS,
    "warnings.resetwarnings": PROCESS,
    "warnings.simplefilter": PROCESS,
    "warnings.warn": "warns once for each place, in order",
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

# Objects, neither functions nor classes, that can be called without being changed.
PURE_CALLABLES = {"numpy.ufunc", "operator.attrgetter", "operator.itemgetter"}

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
