"""Where the audit log is on a ledger. Without pydantic, as the plugin reads it: that starts in a third of the time."""

from __future__ import annotations

from typing import Final

AUDIT_ENTRIES_PATH: Final = "/v1/audit/entries"
"""``POST`` enters one; ``GET ?from=INDEX&limit=N`` reads some, the newest without ``from``."""
AUDIT_MODELS_PATH: Final = "/v1/audit/models"
"""``GET /{namespace}/{model}?from=INDEX&limit=N``: a model's entries, the newest first."""
AUDIT_PROOFS_PATH: Final = "/v1/audit/proofs"
"""``GET ?index=N`` or ``/{namespace}/{model}?first=SEQUENCE``: proofs as C2SP tlog-proof."""
AUDIT_POLICY_PATH: Final = "/v1/audit/policy"
"""``GET``: the log's public keys and its author's, as the verifier's policy."""
AUDIT_LOG_PATH: Final = "/v1/audit/log"
"""``GET /checkpoint``, ``/tile/...``: the log itself, as C2SP tlog-tiles."""
FREEZES: Final = ".freezes"
"""In the place of a model's name, and no model can have it: what an operator enters about PromotionFreezes."""
MAX_AUDIT_ENTRIES: Final = 100
"""Most entries in one answer."""
MAX_PROOFS: Final = 1_000
"""Most proofs in one answer; the next ones are asked for by the number that follows."""
