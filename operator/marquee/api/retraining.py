"""``spec.retraining``: what trains a model again, when, and what its candidate must show; and what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from marquee.api.resources import ComputeResource
from marquee.api.schedule import TIME_ZONE, Cron, TimeZone
from marquee.api.types import ApiModel, Quantity, ResourceName, Text, Timestamp, cel, extension, rules
from marquee.contract.retraining import MAX_CHAMPIONS, MAX_METRICS

MAX_A_WEEK: Final = 14
MAX_RUNS: Final = 20
"""Runs that the status remembers: those of a week, the last one, and those whose Job is still there."""
MAX_INPUTS: Final = 4
MAX_NODES: Final = 64

Words = Annotated[str, StringConstraints(max_length=128)]
Argument = Annotated[str, StringConstraints(max_length=1024)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Margin = Annotated[float, Field(ge=0, le=1_000_000_000)]
METRIC_RULE: Final = cel(
    "self.matches('^[a-z][a-z0-9_]*$')", "must be a small letter, then small letters, digits or underscores"
)
INPUT_RULE: Final = cel(
    "self.matches('^[A-Za-z_][A-Za-z0-9_.-]*$')", "must be a letter, then letters, digits, '_', '.' or '-'"
)


class TrainerResources(ApiModel):
    """Requests and limits of the trainer's container, as in a Pod; GPUs are among the limits."""

    requests: dict[ComputeResource, Quantity] = Field(
        default_factory=dict, max_length=8, description="What a node must have free for the run."
    )
    limits: dict[ComputeResource, Quantity] = Field(
        default_factory=dict, max_length=8, description="What the run may use at most."
    )


class TrainingRun(ApiModel):
    """The container that trains. It is told what to do by its environment, see docs/retraining.md."""

    nodes: int = Field(
        default=1,
        ge=1,
        le=MAX_NODES,
        description="Pods that train together. More than one are a TrainJob of Kubeflow Trainer in place of a Job.",
    )
    processes_per_node: int = Field(
        default=1, ge=1, le=16, description="With more than one node: processes that torchrun starts in each pod."
    )

    image: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        default=None, description="Without it the operator's trainer image, which knows Marquee's own use cases."
    )
    command: tuple[Argument, ...] = Field(
        default=(),
        max_length=16,
        description="In place of the image's entry point. With neither command nor args: marquee retrain USE-CASE.",
        json_schema_extra=extension(list_type="atomic"),
    )
    args: tuple[Argument, ...] = Field(
        default=(), max_length=32, description="Arguments.", json_schema_extra=extension(list_type="atomic")
    )
    environment_secret: ResourceName | None = Field(
        default=None,
        description="Secret whose keys are environment variables of the run: a database's PGPASSWORD, a bucket's keys. "
        "Those that Marquee sets come first.",
    )
    resources: TrainerResources = Field(
        default=TrainerResources(requests={"cpu": "1", "memory": "1Gi"}, limits={"memory": "4Gi"}),
        description="Of the trainer's container.",
    )
    service_account_name: ResourceName | None = Field(
        default=None,
        description="For a cloud's storage that is opened by identity. Without it the model's own, which may nothing.",
    )
    deadline_seconds: int = Field(
        default=21_600, ge=60, le=604_800, description="A run that takes longer is ended, and has failed."
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "!has(self.processesPerNode) || self.processesPerNode == 1 || (has(self.nodes) && self.nodes > 1)",
                "several processes need nodes: 2 or more; one node's trainer starts its processes itself",
                field_path=".processesPerNode",
            ),
            cel(
                "!has(self.processesPerNode) || self.processesPerNode == 1 || "
                "(has(self.command) && size(self.command) > 0)",
                "marquee retrain is one process: give a command that starts several, such as torchrun",
                field_path=".command",
            ),
        )
    }


class TrainingData(ApiModel):
    """What is learned from."""

    uri: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = Field(
        default=None,
        description="Where the rows are, as the trainer reads it; pvc://CLAIM/PATH is mounted. Without it the use case "
        "knows its own data.",
        json_schema_extra=rules(
            cel("!self.contains('/../') && !self.endsWith('/..')", "must not contain '..'"),
            cel(
                "!self.startsWith('pvc://') || self.matches('^pvc://[a-z0-9]([a-z0-9.-]*[a-z0-9])?/')",
                "must be pvc://CLAIM/PATH",
            ),
        ),
    )
    window_days: int | None = Field(
        default=None,
        ge=1,
        le=3_650,
        description="Only rows of so many days before the trigger are learned from. Without it the trainer decides.",
    )


class RunArtifacts(ApiModel):
    """Where runs write."""

    uri: Annotated[str, StringConstraints(min_length=1, max_length=900)] = Field(
        description="A run writes to the folder of its name below: pvc://CLAIM/path, s3:// or gs://.",
        json_schema_extra=rules(
            cel(
                r"self.matches('^(pvc://[a-z0-9]([a-z0-9.-]*[a-z0-9])?/|s3://.|gs://.)')",
                "must start with pvc://CLAIM/, s3:// or gs://: a file of the pod is lost with it",
            ),
            cel("!self.contains('/../') && !self.endsWith('/..')", "must not contain '..'"),
        ),
    )


class Moments(ApiModel):
    """When it is time, whatever the data say."""

    cron: Cron = Field(description="As cron: minute, hour, day of the month, month, weekday.")
    time_zone: TimeZone = Field(default="UTC", description=TIME_ZONE)


class PerformanceTrigger(ApiModel):
    """A loss that is not borne."""

    loss_budget: Annotated[float, Field(ge=0.001, le=1)] = Field(
        description="Loss of the area under the curve, as a share of the baseline's: estimated in the last window, or "
        "measured by spec.drift.performance."
    )
    concept_drift: bool = Field(
        default=False, description="Whether the performance verdict ConceptDrift asks for one too."
    )


class Triggers(ApiModel):
    """What asks for a training. A person always may: `kubectl marquee retrain`."""

    drift: bool = Field(default=False, description="Whether the drift verdict Retrain asks for one; needs spec.drift.")
    performance: PerformanceTrigger | None = Field(default=None, description="Needs spec.drift.")
    schedule: tuple[Moments, ...] = Field(
        default=(), max_length=8, description="Times.", json_schema_extra=extension(list_type="atomic")
    )


class Direction(StrEnum):
    """Which way a metric is better."""

    HIGHER_IS_BETTER = "HigherIsBetter"
    LOWER_IS_BETTER = "LowerIsBetter"


class GateMetric(ApiModel):
    """One metric of the comparison, and how close is close enough."""

    name: Name = Field(description="As the trainer calls it.", json_schema_extra=rules(METRIC_RULE))
    direction: Direction = Field(description="Which way it is better.")
    margin: Margin = Field(default=0, description="The candidate's may be worse than the champion's by so much.")
    baseline_margin: Margin | None = Field(
        default=None,
        description="It must be better than the baseline's by so much. Without it: at least as good, where the trainer "
        "tells a baseline's.",
    )


class GateSlice(ApiModel):
    """Values of an input, each of which is a group of rows that must not pay for the others."""

    input: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(
        description="Name of an input, such as region.",
        json_schema_extra=rules(INPUT_RULE),
    )
    maximal_loss: Margin = Field(description="On the rows of a value any metric may be worse by so much.")


class Gate(ApiModel):
    """What a candidate must show on rows that nobody was trained on, before it becomes a revision."""

    metrics: tuple[GateMetric, ...] = Field(
        min_length=1,
        max_length=MAX_METRICS,
        description="All of them must hold; the first one decides between champions.",
        json_schema_extra=extension(list_type="map", list_map_keys=["name"]),
    )
    slices: tuple[GateSlice, ...] = Field(
        default=(),
        max_length=MAX_INPUTS,
        description="Groups of rows.",
        json_schema_extra=extension(list_type="map", list_map_keys=["input"]),
    )
    minimum_rows: int = Field(default=1_000, ge=1, le=1_000_000_000, description="Fewer rows decide nothing.")
    minimum_slice_rows: int = Field(
        default=100, ge=1, le=1_000_000_000, description="A group with fewer rows is not looked at."
    )


class Retraining(ApiModel):
    """The closed loop: a trigger starts one run, its candidate is compared, and rolled out like any revision."""

    run: TrainingRun = Field(default_factory=TrainingRun, description="What trains.", json_schema_extra={"default": {}})
    data: TrainingData = Field(
        default_factory=TrainingData, description="What is learned from.", json_schema_extra={"default": {}}
    )
    artifacts: RunArtifacts = Field(description="Where runs write.")
    triggers: Triggers = Field(
        default_factory=Triggers, description="What asks for a run.", json_schema_extra={"default": {}}
    )
    cool_down_hours: int = Field(
        default=72, ge=0, le=8_760, description="From the start of a run to the next that no person asks for."
    )
    max_per_week: int = Field(default=2, ge=1, le=MAX_A_WEEK, description="Runs that start within seven days.")
    gate: Gate = Field(description="What a candidate must show.")
    champion_pool: int = Field(
        default=3,
        ge=1,
        le=MAX_CHAMPIONS,
        description="Revisions that a candidate is compared with: the serving one, and those that served before it.",
    )


class RunStatus(ApiModel):
    """One run."""

    name: Annotated[str, StringConstraints(max_length=63)]
    trigger: Words
    asked: Words = Field(description="What tells its trigger from others of the kind: an id, a window, a time.")
    started: Timestamp
    finished: Timestamp | None = None
    outcome: Words = Field(default="", description="Empty while it is under way.")
    message: Text = ""
    revision: Annotated[str, StringConstraints(max_length=63)] = ""


class ComparedMetric(ApiModel):
    """What one metric was on the rows of the comparison."""

    metric: Words
    challenger: float
    champion: float | None = None
    baseline: float | None = None


class RetrainingStatus(ApiModel):
    """What was trained, and what came of it."""

    since: Timestamp = Field(description="When the operator first saw the block: earlier times ask for nothing.")
    outcome: Words = Field(default="", description="Of the newest run that has ended.")
    runs: tuple[RunStatus, ...] = Field(
        default=(),
        max_length=MAX_RUNS,
        description="The newest first.",
        json_schema_extra=extension(list_type="atomic"),
    )
    rows: int = Field(default=0, description="Of the last comparison.")
    comparison: tuple[ComparedMetric, ...] = Field(
        default=(), max_length=MAX_METRICS, json_schema_extra=extension(list_type="atomic")
    )
    next_allowed: Timestamp | None = Field(default=None, description="When a run that is asked for may start.")
    answered: Words = Field(default="", description="The last id of `marquee.dev/retrain` that a run has answered.")
    feed_blocked: bool = Field(default=False, description="A feed was broken, and no window since is known to be good.")
    champions: tuple[Annotated[str, StringConstraints(max_length=63)], ...] = Field(
        default=(),
        max_length=MAX_CHAMPIONS,
        description="Revisions that served, the newest first.",
        json_schema_extra=extension(list_type="atomic"),
    )
