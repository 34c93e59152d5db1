"""Tests of the executor, by module."""
