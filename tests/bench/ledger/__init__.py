"""The ledger on one core: exposures and outcomes a second, bytes, the time of a read, and what a kill takes."""
