"""What the control loop runs on: time, backoff and the work queue; no I/O and nothing of ours below it."""
