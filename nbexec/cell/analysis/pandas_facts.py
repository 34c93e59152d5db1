"""Facts about what methods and attributes of pandas objects do, by name: data.

A method has one meaning on all of them, but for those of an `Index` that a frame has with
another one.  What isn't listed may change what it is called on.
"""

from __future__ import annotations

from .library_facts import words

# Classes, and those of pandas that are made from them, by their names in pandas.
CLASSES = {
    "BaseGroupBy",
    "BaseIndexer",
    "BaseWindow",
    "Categorical",
    "CategoricalAccessor",
    "CombinedDatetimelikeProperties",
    "DataFrame",
    "DatetimeProperties",
    "ExtensionArray",
    "Index",
    "PeriodProperties",
    "Resampler",
    "Series",
    "StringMethods",
    "TimedeltaProperties",
}

# They give something new, which holds nothing of the object that can be changed, except
# what the entries themselves are; before pandas 3, part of it may be the object's own memory.
_NEW = """
    abs add add_prefix add_suffix agg aggregate align all any apply argmax argmin argsort asfreq
    asof assign astype at_time autocorr between between_time bfill case_when ceil clip
    combine_first compare convert_dtypes copy corr corrwith count cov cummax cummin cumprod cumsum
    cumcount day_name describe diff difference div divide divmod dot drop drop_duplicates droplevel
    dropna duplicated eq equals eval explode factorize ffill fillna filter first
    first_valid_index floor floordiv ge get_group get_indexer get_indexer_for
    get_loc gt head identical idxmax idxmin infer_objects interpolate intersection isin isna isnull
    isocalendar item join kurt kurtosis last last_valid_index le lt map mask max mean median melt
    memory_usage merge min mod mode month_name mul multiply ne ngroup nlargest normalize notna
    notnull nsmallest nunique ohlc pct_change pivot pivot_table pow prod product quantile query
    radd rank rdiv rdivmod reindex reindex_like rename rename_axis reorder_levels repeat replace
    reset_index rfloordiv rmod rmul round rpow rsub rtruediv sample searchsorted select_dtypes sem
    set_axis set_index set_names shift size skew slice_indexer slice_locs sort_index sort_values
    sortlevel squeeze stack std strftime sub subtract sum swaplevel symmetric_difference tail take
    to_frame to_list to_dict to_period to_records to_series to_timestamp tolist total_seconds
    transform truediv truncate tz_convert tz_localize union unique unstack value_counts
    var where xs
"""

# Those of texts: `df["name"].str.upper()`.
_TEXT = """
    capitalize casefold cat center contains decode encode endswith extract extractall find findall
    fullmatch get_dummies isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace
    istitle isupper len ljust lower lstrip match pad partition removeprefix removesuffix rfind
    rindex rjust rpartition rsplit rstrip slice slice_replace split startswith strip swapcase title
    translate upper wrap zfill
"""

# They give something that reads the object later, or is a part of it.
_LINKED = """
    ewm expanding get get_level_values groupby items iterrows itertuples keys pipe ravel resample
    rolling to_numpy view combine transpose
"""

NEW = words(_NEW) | words(_TEXT)
LINKED = words(_LINKED)
# They write, unless they are given no place to write to.
WRITING = words("""
    to_csv to_html to_json to_latex to_markdown to_string to_xml to_excel to_feather to_hdf
    to_parquet to_pickle to_sql to_stata
""")
TEXTS = words("to_csv to_html to_json to_latex to_markdown to_string to_xml")
INDEX_NEW = words("append delete insert rename putmask")

# With `inplace=True` they change the object; how many arguments come before any `inplace`.
IN_PLACE = dict.fromkeys(
    (
        *("bfill", "drop", "drop_duplicates", "dropna", "eval", "ffill", "fillna", "interpolate"),
        *("query", "rename", "rename_axis", "reset_index", "set_index", "set_names"),
        *("sort_index", "sort_values"),
    ),
    1,
) | {"clip": 2, "mask": 2, "replace": 2, "where": 2}

# They always copy, also before pandas 3.
COPIES = words("""
    agg aggregate add sub mul div corr count cov copy cummax cummin cumprod cumsum describe
    diff eq ge get_dummies gt isin isna isnull le lt max mean median melt merge min ne notna
    notnull nunique pivot_table prod quantile rank round std sum to_dict to_list tolist
    unique value_counts var
""")

# Their arguments, or what functions among these give, may be entries of the result.
FROM_ARGUMENTS = words("""
    agg aggregate align append apply assign case_when combine combine_first fillna insert
    join map mask merge pipe reindex reindex_like replace set_axis transform union where
    add_prefix rename rename_axis set_index set_names add radd
""")

# Of a frame they give a frame, of which an entry is a column.
FRAMES = words("""
    add_prefix add_suffix assign copy drop drop_duplicates dropna fillna head join merge
    melt nlargest nsmallest query rename reset_index sample select_dtypes set_index
    sort_index sort_values tail to_frame
""")
# They call their argument, if it is a function.
CALLING = words("agg aggregate apply filter map pipe transform")
# They change a setting of what was grouped for a moment.
SETTING = words("agg aggregate apply describe transform value_counts")
GROUPS = words("groupby resample rolling expanding ewm")

# They look names up in the frame that calls them, where the text has an `@`.
LOOKING_UP = words("eval query")

# Attributes that are views of the object: how they are used is told by what is done then.
VIEWS = words("""
    T array at axes cat categories codes columns dt iat iloc index levels list loc plain str
    struct values
""")
FACTS_OF = words("""
    dtype dtypes empty has_duplicates hasnans inferred_type is_monotonic_decreasing
    is_monotonic_increasing is_unique nbytes ndim ngroups nlevels ordered shape size
""")
# Part of them may be shared with other objects, and they have names that can be changed.
SHARED_VIEWS = words("array axes categories columns index levels")
# They draw, or lead to where something may be changed.
OTHERS = words("attrs flags hist boxplot plot sparse style")

CHANGING = {
    "insert": "`assign` gives a new one",
    "isetitem": "`assign` gives a new one",
    "pop": "`drop` gives a new one",
    "update": "`combine_first` gives a new one",
}

# Functions of pandas whose result is new.
FUNCTIONS_NEW = words("""
    DataFrame.from_dict DataFrame.from_records concat crosstab cut date_range factorize
    get_dummies isna isnull melt merge merge_asof merge_ordered notna notnull period_range
    pivot pivot_table qcut timedelta_range to_datetime to_numeric to_timedelta unique
    wide_to_long
""")

# Of a series of objects they may give one of them.
PICKING = words("""
    agg aggregate all any asof apply first get idxmax idxmin item last max mean median min
    pipe prod product quantile sem skew kurt kurtosis squeeze std sum var xs
""")
