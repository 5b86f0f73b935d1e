"""What the children look like: pure functions from a model to manifests."""
