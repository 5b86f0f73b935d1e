"""The trainer's half of the closed loop: rows of a window in, a compared candidate out."""
