"""The edge to IPython, ipykernel and widgets: magics, and in `panel/` the live panel.

Nothing below imports these libraries.  What a cell under ``%%parallel`` does is in
`nbexec.cell`, and progress outside a notebook in `nbexec.observers`.
"""
