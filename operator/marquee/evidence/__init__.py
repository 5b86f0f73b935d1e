"""The mathematics of the provable canary: pure functions of the ledger's integers."""
