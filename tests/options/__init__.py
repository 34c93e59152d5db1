"""Tests of `nbexec.options`."""
