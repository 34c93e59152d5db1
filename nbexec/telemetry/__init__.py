"""Events of a run, the state that they are folded into, and its wording.

Nothing here draws or decides: observers draw (`nbexec.observers`, `nbexec.notebook`), and
`nbexec.run` decides.
"""
