"""What users notice of rollouts by steps: lost requests, the share of the canary, and how fast an abort is."""
