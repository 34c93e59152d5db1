"""What happens in a run, as events; what they are folded into; how that is put into words.

It draws nothing and decides nothing: observers draw, and `nbexec.run.handle` decides.
"""
