"""A real Triton server from its Python wheel, CPU only: processes of this machine, an image of the cluster."""
