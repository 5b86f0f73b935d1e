"""The scaling benchmark: a load step, a start from no pod, and a replayed day of a call centre, with KEDA."""
