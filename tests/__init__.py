"""Tests; a package so that benchmarks and shared support can be run and imported by name."""
