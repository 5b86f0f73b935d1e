"""Everything that talks to the Kubernetes API: connection, verbs, informers, the leader's lease."""
