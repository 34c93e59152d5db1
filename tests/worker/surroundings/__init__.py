"""Tests of nbexec.worker.surroundings."""
