"""The client library: predictions from a model, and outcomes to the ledger, with the standard library alone.

`ModelClient` and `LedgerClient` send over plain blocking connections. Everything that they know stands in functions
that touch no socket, for programs that bring an HTTP library of their own: `unit_headers`, `consent_headers`,
`prediction_body`, `read_prediction`, `batches`, `outcomes_body`, `read_receipt` and `RetryPolicy`. See docs/client.md.

Nothing else of Marquee is imported, and neither pydantic nor orjson: both are there when Marquee is installed, but
their import alone costs more than all of this.
"""

from marquee.client.answers import Answer
from marquee.client.assignment import unit_headers
from marquee.client.consent import consent_headers
from marquee.client.errors import ClientError, InvalidRequestError, OutcomesNotReportedError, PredictionFailedError
from marquee.client.ledger import LedgerClient
from marquee.client.model import ModelClient
from marquee.client.outcomes import Outcome, Receipt, Refusal, batches, outcomes_body, read_receipt
from marquee.client.predictions import Prediction, prediction_body, read_prediction
from marquee.client.retrying import RetryPolicy, is_temporary, retry_after_seconds

__all__ = [
    "Answer",
    "ClientError",
    "InvalidRequestError",
    "LedgerClient",
    "ModelClient",
    "Outcome",
    "OutcomesNotReportedError",
    "Prediction",
    "PredictionFailedError",
    "Receipt",
    "Refusal",
    "RetryPolicy",
    "batches",
    "consent_headers",
    "is_temporary",
    "outcomes_body",
    "prediction_body",
    "read_prediction",
    "read_receipt",
    "retry_after_seconds",
    "unit_headers",
]
