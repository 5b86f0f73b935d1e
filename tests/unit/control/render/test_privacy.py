"""What pods and runs are told of ``spec.privacy``."""

from __future__ import annotations

from typing import Any

import pytest

from bentos.front.settings import Settings
from marquee.api.retraining import Retraining
from marquee.contract import pod
from marquee.contract.privacy import PrivacySettings
from marquee.contract.retraining import RunSetting
from marquee.control.decide.approving import policy_digest
from marquee.control.render.deployment import deployment
from marquee.control.render.retraining import job
from marquee.control.snapshot import Trainer
from tests.unit.control.builders import DEFAULTS, a_model, a_revision
from tests.unit.control.looping import SPEC
from tests.unit.control.render.test_retraining import ORDER

LEDGER = "http://ledger.marquee.svc"
TOKEN: dict[str, Any] = {"purposes": ["profiling"], "proof": "Token", "keysSecret": "purpose-keys"}
FULL: dict[str, Any] = {
    "consent": TOKEN,
    "withheldAnswer": {"value": 20.5, "alive": 0.5},
    "predictionLog": {"subjectPermille": 20, "inputs": ["recency"], "retentionDays": 365},
}


def pod_spec(privacy: dict[str, Any] | None) -> dict[str, Any]:
    """The pods of a model with that block."""
    block: dict[str, Any] = {} if privacy is None else {"privacy": privacy}
    manifest = deployment(a_model(revision={"name": "churn-1"}, **block), a_revision("churn-1"), DEFAULTS)
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def told(privacy: dict[str, Any]) -> PrivacySettings | None:
    """What the front makes of its variable."""
    (container,) = pod_spec(privacy)["containers"]
    return Settings.from_environment({entry["name"]: entry["value"] for entry in container["env"]}).privacy


def test_without_the_block_nothing_is_there() -> None:
    """No variable, volume or mount: adding the feature restarted nobody."""
    text = str(pod_spec(None))
    assert "PRIVACY" not in text
    assert "purpose" not in text


@pytest.mark.parametrize(
    ("privacy", "expected"),
    [
        ({}, PrivacySettings()),
        ({"consent": {"purposes": ["ads", "profiling"]}}, PrivacySettings(purposes=("ads", "profiling"))),
        (
            FULL,
            PrivacySettings(
                purposes=("profiling",),
                by_token=True,
                withheld_answer={"alive": 0.5, "value": 20.5},
                log_permille=20,
                log_inputs=("recency",),
                log_retention_days=365,
            ),
        ),
    ],
)
def test_the_front_understands_what_it_is_told(privacy: dict[str, Any], expected: PrivacySettings) -> None:
    """Both halves of the contract, one against the other; an empty block is a block, with a list of the suppressed."""
    assert told(privacy) == expected


def test_an_answer_in_another_order_is_the_same_pod() -> None:
    """An API server may give the keys of a map in any order: no pod is restarted by that."""
    turned = FULL | {"withheldAnswer": dict(reversed(FULL["withheldAnswer"].items()))}
    assert pod_spec(FULL) == pod_spec(turned)


def test_outputs_that_no_artifact_can_have_are_the_pods_to_refuse() -> None:
    """The operator knows no artifact: it passes the name on, and goes on."""
    assert told({"withheldAnswer": {"not a name": 1.0}}) == PrivacySettings(withheld_answer={"not a name": 1.0})


def test_the_keys_of_tokens_are_mounted_from_the_secret() -> None:
    """A folder with a file for each key; a Secret that is not there keeps no pod from saying so."""
    spec = pod_spec(FULL)
    (volume,) = (one for one in spec["volumes"] if one["name"] == "purpose-keys")
    assert volume["secret"] == {"secretName": "purpose-keys", "defaultMode": 0o440, "optional": True}
    mounts = spec["containers"][0]["volumeMounts"]
    assert {"name": "purpose-keys", "mountPath": pod.PURPOSE_KEYS_PATH, "readOnly": True} in mounts


def run_pod(trainer: Trainer, **spec: Any) -> dict[str, Any]:
    """The pod of a run."""
    model = a_model(revision={"name": "churn-1"}, **spec)
    manifest = job(model, Retraining.model_validate(SPEC), ORDER, [a_revision("churn-1")], trainer)
    pod_spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return pod_spec


def environment(run: dict[str, Any]) -> dict[str, str]:
    """What it is told."""
    return {entry["name"]: entry["value"] for entry in run["containers"][0]["env"]}


def test_a_run_reads_the_suppressed_by_the_models_own_identity() -> None:
    """Address and token of the ledger, which goes by the service account of the model's pods."""
    run = run_pod(Trainer("trainer:1", ledger_url=LEDGER), privacy={})
    assert environment(run)[RunSetting.LEDGER_URL] == LEDGER
    assert environment(run)[RunSetting.LEDGER_TOKEN] == pod.LEDGER_TOKEN_PATH
    (volume,) = (one for one in run["volumes"] if one["name"] == "ledger-token")
    (source,) = volume["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == pod.LEDGER_AUDIENCE
    assert run["serviceAccountName"] == "churn-predictor"
    mounts = {mount["mountPath"] for mount in run["containers"][0]["volumeMounts"]}
    assert pod.LEDGER_TOKEN_PATH.rsplit("/", 1)[0] in mounts


@pytest.mark.parametrize(("ledger_url", "spec"), [(LEDGER, {}), ("", {"privacy": {}})], ids=["no privacy", "no ledger"])
def test_a_run_that_has_nobody_to_leave_out_gets_no_token(ledger_url: str, spec: dict[str, Any]) -> None:
    """Nothing is asked of a ledger that is not there, or for a model without the block."""
    run = run_pod(Trainer("trainer:1", ledger_url=ledger_url), **spec)
    assert environment(run)[RunSetting.LEDGER_URL] == ""
    assert "ledger-token" not in str(run)


def test_approvals_are_about_privacy_too() -> None:
    """Whoever approved with consent has not approved without; other keys are other rules, too."""
    other_keys = FULL | {"consent": TOKEN | {"keysSecret": "others"}}
    models = [a_model(revision={"name": "churn-1"})]
    models += [
        a_model(revision={"name": "churn-1"}, privacy=privacy)
        for privacy in ({}, {"consent": {"purposes": ["ads"]}}, FULL, other_keys)
    ]
    assert len({policy_digest(model) for model in models}) == len(models)
