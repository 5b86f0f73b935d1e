"""The manifest of an artifact: what a predictor must know before it loads a model, and may trust after.

An artifact is a folder with ``manifest.json`` beside the model's files. The manifest names every file with
its SHA-256, so the digest of the manifest alone (`Manifest.digest_of`) pins every byte of the artifact. That
digest is what a `ModelRevision` carries and what a predictor checks before it loads anything.
"""

from __future__ import annotations

import hashlib
import math
import re
from itertools import pairwise
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.alias_generators import to_camel

MANIFEST_NAME = "manifest.json"
MAX_FEATURES = 2_000
MAX_MANIFEST_BYTES = 4 * 2**20

RowCount = Annotated[int, Field(ge=0)]
Place = Annotated[int, Field(ge=0, lt=1_000)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,48}[a-z0-9])?$")]

_SAFE_PATH = re.compile(r"^(?!/)(?!.*(?:^|/)\.\.(?:/|$))[A-Za-z0-9_./-]{1,200}$")


class ContractModel(BaseModel):
    """Frozen, camelCase on the wire, closed against unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class NumberField(ContractModel):
    """One numeric input: a Python float or int within inclusive bounds."""

    name: FieldName
    kind: Literal["number", "integer"] = "number"
    minimum: float | None = None
    maximum: float | None = None
    nullable: bool = Field(default=False, description="a JSON null is passed to the model as NaN")
    description: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> NumberField:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is greater than maximum {self.maximum}")
        return self


class CategoryField(ContractModel):
    """One categorical input. The model receives the index of the value in ``categories``."""

    name: FieldName
    kind: Literal["category"] = "category"
    categories: tuple[str, ...] = Field(min_length=1, max_length=10_000)
    other: int | None = Field(
        default=None, description="index given to a value outside of the list; null: such a value is refused"
    )
    nullable: bool = False
    description: str = ""

    @model_validator(mode="after")
    def _distinct(self) -> CategoryField:
        if len(set(self.categories)) != len(self.categories):
            raise ValueError("categories must be distinct")
        if self.other is not None and not 0 <= self.other < len(self.categories):
            raise ValueError("other must be an index into categories")
        return self


InputField = Annotated[NumberField | CategoryField, Field(discriminator="kind")]


class OutputField(ContractModel):
    """One named output of the model: a float per row."""

    name: FieldName
    description: str = ""
    unit: str = Field(default="", description="for people: 'probability', 'EUR', 'purchases in 39 weeks'")


class OnnxRuntime(ContractModel):
    """An ONNX graph. Its single input is float32 of shape (rows, len(inputs)), in the order of ``inputs``.

    ``outputs`` maps each output field to (graph output, column); a graph output is float32 or float64 of
    shape (rows, columns) or (rows,).
    """

    flavour: Literal["onnx"] = "onnx"
    file: str = "model.onnx"
    input_name: str = "inputs"
    outputs: dict[str, tuple[str, int]]


class PythonRuntime(ContractModel):
    """A class importable in the predictor image, or shipped as a file of the artifact.

    ``entrypoint`` is ``package.module:Class``. The class is called once with the artifact's folder
    (`pathlib.Path`) and must offer ``predict(rows) -> dict[str, array]`` where ``rows`` is float64 of shape
    (rows, len(inputs)) and each array is float64 of shape (rows,), one per output field.
    """

    flavour: Literal["python"] = "python"
    entrypoint: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class TorchScriptRuntime(ContractModel):
    """A TorchScript module, which Triton's backend ``pytorch`` alone runs: no predictor has PyTorch.

    It is called with one float32 tensor of shape (rows, inputs), and returns a float32 tensor of shape (rows, columns)
    or a tuple of such. ``outputs`` maps each output field to (place in the tuple, column).
    """

    flavour: Literal["torchscript"] = "torchscript"
    file: str = "model.pt"
    outputs: dict[str, tuple[Place, Place]]


class TensorRtRuntime(ContractModel):
    """A TensorRT plan, which Triton's backend ``tensorrt`` alone runs, on the kind of GPU that it was built for.

    Input and outputs are as those of `OnnxRuntime`.
    """

    flavour: Literal["tensorrt"] = "tensorrt"
    file: str = "model.plan"
    input_name: str = "inputs"
    outputs: dict[str, tuple[str, int]]


Runtime = OnnxRuntime | PythonRuntime | TorchScriptRuntime | TensorRtRuntime


class FileEntry(ContractModel):
    """Digest and size of one file of the artifact."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: int = Field(ge=1)


class DataSource(ContractModel):
    """One input of a training run."""

    name: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    rows: int = Field(ge=0)
    origin: str = Field(description="where it can be had again, e.g. a package's name, version and file")


class Lineage(ContractModel):
    """Where the artifact comes from; two runs with the same lineage give the same bytes."""

    code_digest: Sha256
    seed: int
    data: tuple[DataSource, ...]
    libraries: dict[str, str]
    parent: Sha256 | None = None


class NumericProfile(ContractModel):
    """Reference distribution of a numeric feature over fixed edges.

    ``counts`` has ``len(edges) + 1`` entries: below the first edge, between neighbours, above the last.
    """

    kind: Literal["number"] = "number"
    edges: tuple[float, ...] = Field(min_length=1, max_length=64)
    counts: tuple[RowCount, ...]
    missing: RowCount = 0

    @model_validator(mode="after")
    def _consistent(self) -> NumericProfile:
        if not all(map(math.isfinite, self.edges)):
            raise ValueError("edges must be finite numbers")
        if any(a >= b for a, b in pairwise(self.edges)):
            raise ValueError("edges must be strictly increasing")
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges need {len(self.edges) + 1} counts, not {len(self.counts)}")
        return self


class ScoreProfile(NumericProfile):
    """The same of the model's main output: finer, and with the mean score of each bin."""

    edges: tuple[float, ...] = Field(min_length=1, max_length=128)
    output: FieldName | None = Field(default=None, description="which output; null: the first")
    means: tuple[float, ...] = Field(
        default=(), description="mean score by bin, rising; none: how good the score is cannot be estimated from bins"
    )

    @model_validator(mode="after")
    def _rising(self) -> ScoreProfile:
        if self.means and len(self.means) != len(self.counts):
            raise ValueError(f"{len(self.counts)} bins need as many means, not {len(self.means)}")
        if not all(map(math.isfinite, self.means)) or any(a > b for a, b in pairwise(self.means)):
            raise ValueError("means must be finite numbers that rise")
        return self


class CategoryProfile(ContractModel):
    """Reference counts of a categorical feature's most frequent values."""

    kind: Literal["category"] = "category"
    counts: dict[str, RowCount] = Field(max_length=50)
    other: RowCount = 0
    missing: RowCount = 0


FeatureProfile = Annotated[NumericProfile | CategoryProfile, Field(discriminator="kind")]


class ReferenceProfile(ContractModel):
    """What the training data looked like: the immutable edge set that drift is counted over."""

    rows: int = Field(ge=0)
    features: dict[str, FeatureProfile] = Field(max_length=MAX_FEATURES)
    score: ScoreProfile | None = None

    @property
    def counts_anything(self) -> bool:
        """Whether there is a bin to count in; without one there is no drift."""
        return bool(self.features) or self.score is not None


class Manifest(ContractModel):
    """The contract between a trainer and a predictor."""

    format_version: Literal[1] = 1
    model: ModelName
    use_case: str
    runtime: Annotated[Runtime, Field(discriminator="flavour")]
    inputs: tuple[InputField, ...] = Field(min_length=1, max_length=MAX_FEATURES)
    outputs: tuple[OutputField, ...] = Field(min_length=1, max_length=100)
    example: dict[str, Any] = Field(description="one valid row; warm-up and the operator's probe predict it")
    files: dict[str, FileEntry]
    metrics: dict[str, float]
    lineage: Lineage
    profile: ReferenceProfile
    created_at: str = Field(description="RFC 3339, UTC; the only part of a manifest that a re-run changes")

    @field_validator("files")
    @classmethod
    def _safe_paths(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        for path in files:
            if not _SAFE_PATH.match(path) or path == MANIFEST_NAME:
                raise ValueError(f"{path!r} is no relative path inside the artifact")
        return files

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        names = [field.name for field in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError("inputs: names must be distinct")
        outputs = {field.name for field in self.outputs}
        if len(outputs) != len(self.outputs):
            raise ValueError("outputs: names must be distinct")
        if missing := [name for name in names if name not in self.example]:
            raise ValueError(f"example: {missing[0]!r} is missing")
        if not isinstance(self.runtime, PythonRuntime):
            if set(self.runtime.outputs) != outputs:
                raise ValueError("runtime.outputs must map exactly the names in outputs")
            if self.runtime.file not in self.files:
                raise ValueError(f"runtime.file: {self.runtime.file!r} is not among files")
        return self

    @model_validator(mode="after")
    def _profile_fits(self) -> Manifest:
        fields = {field.name: field for field in self.inputs}
        for name, profile in self.profile.features.items():
            if (field := fields.get(name)) is None:
                raise ValueError(f"profile.features: {name!r} is none of the inputs")
            if complaint := _misfit(field, profile):
                raise ValueError(f"profile.features.{name}: {complaint}")
        score = self.profile.score
        if score is not None and score.output is not None and score.output not in {one.name for one in self.outputs}:
            raise ValueError(f"profile.score.output: {score.output!r} is none of the outputs")
        return self

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, no white space, UTF-8."""
        return orjson.dumps(self.model_dump(mode="json", by_alias=True), option=orjson.OPT_SORT_KEYS)

    @staticmethod
    def digest_of(raw: bytes) -> str:
        """``sha256:<hex>`` of the manifest file's bytes as they are stored."""
        return "sha256:" + hashlib.sha256(raw).hexdigest()


def _misfit(field: NumberField | CategoryField, profile: NumericProfile | CategoryProfile) -> str:
    """Why values of the field cannot be counted over the profile; empty when they can."""
    if isinstance(field, CategoryField) and isinstance(profile, CategoryProfile):
        unknown = profile.counts.keys() - set(field.categories)
        return f"{min(unknown)!r} is none of the input's categories" if unknown else ""
    if isinstance(field, NumberField) and isinstance(profile, NumericProfile):
        return ""
    return f"kind {profile.kind!r} does not fit the input's, {field.kind!r}"
