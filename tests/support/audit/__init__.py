"""Audit logs for tests: keys, entries, a disk that can fail."""
