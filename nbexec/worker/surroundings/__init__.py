"""Surroundings: the state of the kernel's process that workers take on, and the register of it.

Each entry reads and sets one thing, such as the working directory.  What a function captures
isn't here, nor is the output of tasks.
"""
