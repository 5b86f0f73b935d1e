"""The serving benchmark: one model behind seven servers, each on one core, by turns."""
