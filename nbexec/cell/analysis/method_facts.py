"""Facts about methods of well-known types, by name: data."""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import re
from collections import Counter, deque

# Methods that change files, whatever they are called on.
CHANGES_FILES = {
    "extract",
    "extractall",
    "imsave",
    "save",
    "savefig",
    "to_csv",
    "to_excel",
    "to_feather",
    "to_hdf",
    "to_parquet",
    "to_pickle",
    "to_sql",
    "to_stata",
    "tofile",
    "chmod",
    "hardlink_to",
    "lchmod",
    "link_to",
    "mkdir",
    "rename",
    "rmdir",
    "symlink_to",
    "touch",
    "unlink",
    "write_bytes",
    "write_text",
}


def _public(*types: type) -> set[str]:
    return {name for one in types for name in dir(one) if not name.startswith("_")}


# Names that mean the same on every well-known type: they change nothing, and what they
# give holds nothing of the object.  `partition` changes an array; `replace` moves a file
# when it has one argument; `open` may write.
DETACHED_METHODS = _public(str, bytes, int, float, complex, range, pathlib.Path) | _public(
    re.Pattern, re.Match, datetime.datetime, datetime.timedelta, decimal.Decimal, fractions.Fraction
)
DETACHED_METHODS -= {"open", "partition", "replace", *CHANGES_FILES}

# Of these, names that change other things: a deque, a thread, a document.
MAY_CHANGE = {"normalize", "rotate", "start"}

# Names that change nothing, but what they give may hold something of the object.
SHARING_METHODS = {"get", "items", "keys", "values"}
SHARING_METHODS |= {"copy", "difference", "intersection", "symmetric_difference", "union"}
SHARING_METHODS |= {"isdisjoint", "issubset", "issuperset", "most_common", "elements", "_asdict"}

# Names that change what they are called on.
CHANGING = _public(list, dict, set, bytearray, deque, Counter) | {"write", "writelines", "send"}
CHANGING -= DETACHED_METHODS | SHARING_METHODS

# Names that change their arguments, on whatever they are called.
CHANGING_ARGUMENTS = {"pack_into", "readinto", "readinto1", "recv_into", "recvfrom_into", "shuffle"}

# Names that read tables: what a statement calls by them alone, it doesn't change.
_TABLE = """
    abs agg all any apply argmax argmin argsort astype between clip corr cumprod cumsum describe
    diagonal diff dot drop dropna duplicated eq fillna first flatten ge groupby gt head idxmax
    idxmin isin isna isnull item iterrows itertuples join last le lt map max mean median melt
    merge min mode ne nonzero notna notnull nunique pivot_table prod ptp quantile ravel reindex
    rename repeat reset_index reshape rolling round searchsorted set_index shift sort_index
    sort_values squeeze std sum swapaxes tail take to_dict to_list to_numpy tobytes tolist trace
    transpose unique value_counts var where
"""
TABLE_METHODS = set(_TABLE.split())
