"""The only place that imports IPython and ipywidgets: the panel and the magics.

::

    RunState -> snapshot -> widget -> static/panel.js        while a run goes on
                        \\-> summary -> HTML and text         once, at its end

`panel.py` says when; `snapshot.py` says what, in words and numbers; `widget.py` and
`static/` draw it live, `summary.py` draws what stays in the saved notebook; `kernel.py`
has what ipykernel must be talked into; `magics.py` is ``%%parallel``.
"""
