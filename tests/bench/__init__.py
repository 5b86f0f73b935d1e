"""Benchmarks: each suite is a package with a ``__main__``, and reports by `tests.bench.report`."""
