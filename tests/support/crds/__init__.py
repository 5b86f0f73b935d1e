"""The CRDs' rules, and for each rule an object that it accepts and one that it refuses."""
