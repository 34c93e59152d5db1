"""Functions of one item made functions of many, with JAX's signatures: `vmap` and `pmap`.

vmap.py      a function of an item, called for each along an axis
pmap.py      a function of a batch, called for a slice of it on each worker
trees.py     dicts, tuples and dataclasses that hold batches
axes.py      which axis of which argument is mapped
batches.py   what has axes: lists, arrays, tensors, Series, DataFrames
stacking.py  one batch of the results of all items, or of all slices
"""
