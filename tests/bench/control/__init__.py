"""The operator on a real API server with simulated pods, against the floor: the same objects from a bare client."""
