"""The front at three times what it can answer: what still is answered in time, and how the rest is told."""
