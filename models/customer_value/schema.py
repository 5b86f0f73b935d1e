"""The input and output fields of customer value."""

from __future__ import annotations

from typing import Final

from marquee.contract.manifest import InputField, NumberField, OutputField

MOST_WEEKS: Final = 1_040
LONGEST_HORIZON_WEEKS: Final = 104

HISTORY: Final[tuple[InputField, ...]] = (
    NumberField(
        name="frequency", kind="integer", minimum=0, maximum=10_000,
        description="days with a purchase, without the first",
    ),
    NumberField(
        name="recency", minimum=0, maximum=MOST_WEEKS,
        description="weeks from the first purchase to the last; counts as T where it is larger",
    ),
    NumberField(name="T", minimum=0, maximum=MOST_WEEKS, description="weeks from the first purchase to today"),
    NumberField(
        name="monetary_value", minimum=0, maximum=100_000,
        description="mean value of a repeat purchase in USD; not used where frequency is 0",
    ),
)  # fmt: skip
"""What `models.customer_value.features.summarise` gives for a customer."""

INPUTS: Final[tuple[InputField, ...]] = (
    *HISTORY,
    NumberField(name="horizon_weeks", minimum=1, maximum=LONGEST_HORIZON_WEEKS, description="how far to look ahead"),
)

OUTPUTS: Final = (
    OutputField(name="customer_value", unit="USD", description="expected spend within the horizon, not discounted"),
    OutputField(name="expected_purchases", unit="purchases", description="expected purchases within the horizon"),
    OutputField(name="probability_alive", unit="probability", description="that the customer has not left for good"),
    OutputField(name="expected_value_per_purchase", unit="USD", description="expected mean of future purchases"),
)
