"""How much is asked of a revision, for KEDA: read from its pods when somebody wants to know, kept for half a minute."""
