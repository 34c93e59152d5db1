"""The live panel, and what stays of it in the saved notebook.

::

    events -> record ----\\
    RunState -> Stats ----> snapshot, tabs -> widget -> static/*.js    while a run goes on
                        \\-> saved_html -> HTML and text               once, at its end

`panel` says when.  `snapshot` says what is always in view, and `tabs` what is in the tab that
is open.  Magics, and what ipykernel needs, are in `nbexec.notebook`.
"""
