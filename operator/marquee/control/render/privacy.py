"""What a pod is told of ``spec.privacy``, and the keys that it checks purpose tokens with."""

from __future__ import annotations

from typing import Any, Final

from marquee.api.privacy import Privacy, Proof
from marquee.contract import pod
from marquee.contract.privacy import PrivacySettings

_KEYS: Final = "purpose-keys"
_KEYS_MODE: Final = 0o440
"""The pod's group reads them."""


def privacy_settings(privacy: Privacy) -> str:
    """JSON of `PrivacySettings`; the same for an object that lists the same in another order of keys."""
    consent, log = privacy.consent, privacy.prediction_log
    told: dict[str, Any] = {}
    if consent is not None:
        told |= {"purposes": consent.purposes, "by_token": consent.proof is Proof.TOKEN}
    if privacy.withheld_answer is not None:
        told["withheld_answer"] = dict(sorted(privacy.withheld_answer.items()))
    if log is not None:
        told |= {
            "log_permille": log.subject_permille,
            "log_inputs": log.inputs,
            "log_retention_days": log.retention_days,
        }
    return PrivacySettings(**told).model_dump_json(by_alias=True, exclude_defaults=True)


def key_volumes(privacy: Privacy | None) -> list[dict[str, Any]]:
    """The Secret with the keys, where tokens are asked for.

    It is optional for the kubelet: a pod without it would wait for the Secret and say nothing, while one that starts
    finds no key, and its reason is the model's condition.
    """
    if (name := _keys_secret(privacy)) is None:
        return []
    secret = {"secretName": name, "defaultMode": _KEYS_MODE, "optional": True}
    return [{"name": _KEYS, "secret": secret}]


def key_mounts(privacy: Privacy | None) -> list[dict[str, Any]]:
    """Where the front finds the keys."""
    if _keys_secret(privacy) is None:
        return []
    return [{"name": _KEYS, "mountPath": pod.PURPOSE_KEYS_PATH, "readOnly": True}]


def _keys_secret(privacy: Privacy | None) -> str | None:
    return None if privacy is None or privacy.consent is None else privacy.consent.keys_secret
