"""The manifest's example as the row that warms a model up."""

from __future__ import annotations

from bentos.front.failures import CannotServeError
from bentos.front.schema import InvalidInputError, Rows, Schema
from marquee.contract.manifest import Manifest
from marquee.contract.pod import FailureReason


def example_row(manifest: Manifest, schema: Schema) -> Rows:
    """The example, of shape (1, inputs).

    Raises:
        CannotServeError: ``ManifestInvalid``: it breaks the manifest's own schema.

    """
    try:
        return schema.encode(manifest.example, "/example")
    except InvalidInputError as error:
        first = error.errors[0]
        raise CannotServeError(
            FailureReason.MANIFEST_INVALID, f"the manifest breaks its own schema: {first.pointer} {first.detail}"
        ) from error
