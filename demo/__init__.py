"""`make demo`: from nothing to two real models that answer, on the local cluster or on that of ``$KUBECONFIG``.

The end-to-end tests stand on the same steps, so what the demo shows is what the tests hold.
"""
