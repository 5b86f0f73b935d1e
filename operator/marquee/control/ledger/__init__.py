"""The operator's side of the ledger: declare rollouts, follow their integers, and hand them to the evidence."""
