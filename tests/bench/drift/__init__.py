"""What counting costs a predictor: ``python -m tests.bench.drift.hot_path``."""
