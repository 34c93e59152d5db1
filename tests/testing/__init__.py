"""The conformance suites, run on what nbexec has and on small examples of others."""
