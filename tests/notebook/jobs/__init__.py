"""Tests of the panel of jobs."""
