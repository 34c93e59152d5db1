"""A worker sees what the kernel sees: each kind of thing, against the plain loop."""
