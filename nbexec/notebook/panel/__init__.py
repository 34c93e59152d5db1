"""The live panel of a run, and the summary that replaces it in the saved notebook.

::

    events -> record ----\\
    RunState -> Stats ----> snapshot, tabs -> widget -> static/*.js    while a run goes on
                        \\-> saved_html -> HTML and text               once, at its end

`panel` decides when to draw, `snapshot` makes the part that is always in view, and `tabs` the
content of the open tab.  Magics and workarounds for ipykernel are in `nbexec.notebook`.
"""
