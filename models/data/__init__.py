"""Public data sets that packages of the Python package index carry: fetched, pinned and parsed, never committed."""
