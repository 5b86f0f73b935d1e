"""Engines, schema and migrations: everything that depends on which database it is."""
