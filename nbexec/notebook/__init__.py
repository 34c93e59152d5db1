"""The only place that imports IPython, ipywidgets and bokeh: the panel and the magics.

::

    events -> record ----\\
    RunState -> Stats ----> snapshot, details -> widget -> static/*.js    while a run goes on
                        \\-> summary -> HTML and text                     once, at its end

`panel.py` says when.  `snapshot.py` says what is always in view, in words and numbers, and
`details.py` what is in the tab that is open: failures by `groups.py`, what items wrote by
`lines.py`, the Bokeh plots of `plots.py`.  `widget.py` and `static/` draw it live,
`summary.py` draws what stays in the saved notebook, with `images.py`.  `kernel.py` has
what ipykernel must be talked into; `magics.py` is ``%%parallel``; `warming.py` has workers
started before the first run asks.
"""
