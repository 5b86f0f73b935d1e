"""A witness: a small process, best run by somebody else than the log, that cosigns a log only while it grows.

The protocol is https://c2sp.org/tlog-witness. Because a witness signs no second tree for a size, a log cannot show two
people two different histories that both carry its signature.
"""
