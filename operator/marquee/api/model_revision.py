"""`ModelRevision`: one immutable version of a model, named by the digest of its artifact."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from marquee.api.metadata import Metadata
from marquee.api.types import API_VERSION, ApiModel, ResourceName, Text, Timestamp, cel, extension, rules
from marquee.contract.retraining import MAX_METRICS
from marquee.contract.training import MAX_SEED

MAX_TOLD_SLICES: Final = 32

ArtifactDigest = Annotated[
    str,
    StringConstraints(max_length=71),
    Field(
        description="SHA-256 of the artifact's manifest.json, which in turn names the digest of every file.",
        json_schema_extra=rules(
            cel(
                "self.matches('^sha256:[0-9a-f]{64}$')",
                "must be sha256: followed by 64 lower-case hexadecimal digits, as `marquee train` prints it",
            )
        ),
    ),
]


class Artifact(ApiModel):
    """Where the artifact's folder is, and which bytes it must hold."""

    uri: Annotated[
        str,
        StringConstraints(min_length=1, max_length=1024),
        Field(
            description="The artifact's folder: file:///path, pvc://CLAIM/path, s3://, gs://, https:// or "
            "models:/NAME/VERSION.",
            json_schema_extra=rules(
                cel(
                    r"self.matches('^(file:///|pvc://[a-z0-9]([a-z0-9.-]*[a-z0-9])?/|s3://.|gs://.|https://.|models:/.)')",
                    "must start with file:///, pvc://CLAIM/, s3://, gs://, https:// or models:/",
                ),
                cel("!self.contains('/../') && !self.endsWith('/..')", "must not contain '..'"),
            ),
        ),
    ]
    digest: ArtifactDigest


Digest = Annotated[
    str,
    StringConstraints(max_length=71),
    Field(
        json_schema_extra=rules(
            cel(
                "self.matches('^sha256:[0-9a-f]{64}$')",
                "must be sha256: followed by 64 lower-case hexadecimal digits",
            )
        )
    ),
]


class Lineage(ApiModel):
    """What an artifact came from; written by the operator for what it has trained, or by whoever else trains."""

    run: ResourceName = Field(description="The retraining run.")
    trigger: Annotated[str, StringConstraints(max_length=128)] = Field(default="", description="What asked for it.")
    code_digest: Digest | None = Field(default=None, description="Of the trainer's code.")
    data_digest: Digest | None = Field(default=None, description="Of the rows that were learned from.")
    window_start: Timestamp | None = Field(default=None, description="No row before it was learned from.")
    window_end: Timestamp | None = Field(default=None, description="No row from it on was seen.")
    parent: Digest | None = Field(default=None, description="Artifact of the champion that the run began from.")
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Of every random choice.")


class RevisionMetric(ApiModel):
    """One figure."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(description="As the trainer calls it.")
    value: float = Field(description="The candidate's.")


class RevisionSlice(ApiModel):
    """How the artifact does on the rows of one value of one input, none of which it was trained on."""

    name: Annotated[str, StringConstraints(min_length=2, max_length=128)] = Field(
        description="input=value; without a value: the rows where it is missing.",
        json_schema_extra=rules(
            cel("self.matches('^[A-Za-z_][A-Za-z0-9_.-]*=')", "must be input=value, such as region=north")
        ),
    )
    rows: int = Field(ge=0, le=1_000_000_000_000, description="That the metrics are of.")
    metrics: tuple[RevisionMetric, ...] = Field(
        min_length=1,
        max_length=MAX_METRICS,
        description="Figures of these rows alone.",
        json_schema_extra=extension(list_type="map", list_map_keys=["name"]),
    )


class ModelRevisionSpec(ApiModel):
    """Never changes once stored."""

    model: Annotated[
        str,
        StringConstraints(min_length=1, max_length=50),
        Field(description="Name of the MarketingModel, in the same namespace, that this is a version of."),
    ]
    artifact: Artifact
    description: Text = Field(default="", description="One line for people: what is new. Shown by kubectl get -o wide.")
    lineage: Lineage | None = Field(default=None, description="What the artifact came from.")
    metrics: tuple[RevisionMetric, ...] = Field(
        default=(),
        max_length=MAX_METRICS,
        description="What the candidate was compared by, on rows that it was not trained on.",
        json_schema_extra=extension(list_type="map", list_map_keys=["name"]),
    )
    slices: tuple[RevisionSlice, ...] = Field(
        default=(),
        max_length=MAX_TOLD_SLICES,
        description="The same of groups of rows; spec.governance.fairness of the model is judged by them.",
        json_schema_extra=extension(list_type="map", list_map_keys=["name"]),
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel("self == oldSelf", "a ModelRevision is immutable: create a new one with another name")
        )
    }


class ModelRevision(ApiModel):
    """One immutable version of a model: an artifact by URI and digest."""

    KIND: ClassVar[str] = "ModelRevision"
    PLURAL: ClassVar[str] = "modelrevisions"

    api_version: Literal["marquee.dev/v1alpha1"] = API_VERSION  # type: ignore[assignment]
    kind: Literal["ModelRevision"] = "ModelRevision"
    metadata: Metadata
    spec: ModelRevisionSpec
