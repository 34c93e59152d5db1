"""Tests of functions that are made of functions."""
