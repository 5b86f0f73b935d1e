"""What a pod tells of its manifest, to whomever: what the model is and came from, and nothing about people.

The example and the reference profile stay in the artifact: the one is a row, the other counts of them.
"""

from __future__ import annotations

import orjson
from pydantic import Field

from marquee.contract.manifest import ContractModel, InputField, Lineage, Manifest, OutputField, Sha256


class PublicManifest(ContractModel):
    """The parts of a manifest that a model card is made of."""

    model: str
    use_case: str
    digest: Sha256
    flavour: str = Field(description="what runs, such as onnx or python")
    inputs: tuple[InputField, ...]
    outputs: tuple[OutputField, ...]
    metrics: dict[str, float]
    lineage: Lineage
    created_at: str
    profiled: int = Field(description="inputs that drift is counted of")

    @staticmethod
    def of(manifest: Manifest, digest: str) -> PublicManifest:
        """Those of a manifest whose bytes have the digest."""
        return PublicManifest(
            model=manifest.model,
            use_case=manifest.use_case,
            digest=digest,
            flavour=manifest.runtime.flavour,
            inputs=manifest.inputs,
            outputs=manifest.outputs,
            metrics=manifest.metrics,
            lineage=manifest.lineage,
            created_at=manifest.created_at,
            profiled=len(manifest.profile.features),
        )

    def to_bytes(self) -> bytes:
        """JSON."""
        return orjson.dumps(self.model_dump(mode="json", by_alias=True))
