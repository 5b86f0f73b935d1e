"""The resource types of ``marquee.dev/v1alpha1``; the pydantic types are the source of the CRDs in ``crds/``."""
