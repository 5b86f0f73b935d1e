"""The typed services of the use cases: the same predictor, with names and bounds in BentoML's own schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from bentos.front import bento, process
from bentos.front.predictor import load_predictor
from bentos.front.service import inputs_type
from bentos.front.settings import Settings
from marquee.contract.assignment import unit_hash
from marquee.contract.manifest import CategoryField, InputField, NumberField, PythonRuntime
from marquee.contract.prediction import Verifier, derive_secret
from models.customer_value.schema import INPUTS, OUTPUTS
from models.lead_scoring.schema import FIELDS
from tests.unit.front.conftest import LEAD, VALID

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")


class Half:
    """Answers one half for every output of a use case."""

    outputs: tuple[str, ...] = ()

    def __init__(self, _folder: Path) -> None:
        pass

    def predict(self, rows: Any) -> dict[str, Any]:
        """One half."""
        return dict.fromkeys(self.outputs, np.full(len(rows), 0.5))


def example(fields: tuple[InputField, ...]) -> dict[str, Any]:
    return {field.name: field.categories[0] if isinstance(field, CategoryField) else field.minimum for field in fields}


@pytest.mark.parametrize(
    ("service", "fields", "outputs"),
    [
        ("bentos.lead_scoring.service:LeadScoring", FIELDS, ("probability",)),
        ("bentos.customer_value.service:CustomerValue", INPUTS, tuple(output.name for output in OUTPUTS)),
    ],
)
async def test_a_typed_service_has_the_types_of_its_use_case(
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    service: str,
    fields: tuple[InputField, ...],
    outputs: tuple[str, ...],
) -> None:
    """It predicts and signs as the front does, refuses what is out of bounds, and documents every field."""
    bento.prepare_environment(tmp_path / "bentoml")
    monkeypatch.setattr(Half, "outputs", outputs)
    runtime = PythonRuntime(entrypoint="tests.unit.front.test_services:Half")
    (tmp_path / "0").write_text(derive_secret(b"m" * 32, "ns/fixture").hex(), encoding="ascii")
    key = {"prediction_key_path": tmp_path / "0"}
    pod = settings(key, runtime=runtime, inputs=fields, example=example(fields), outputs=outputs)
    monkeypatch.setattr(process, "_loaded", None)
    process.adopt(load_predictor(pod), pod)
    async with bento.running(bento.load_application(service)) as behind:
        transport = httpx.ASGITransport(behind)
        async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
            reply = await client.post("/predict", json={"inputs": example(fields), "unit": "customer-7"})
            refused = await client.post("/predict", json={"inputs": {**example(fields), "nothing": 1}})
            schema = (await client.get("/docs.json")).text
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["outputs"] == dict.fromkeys(outputs, 0.5)
    said = Verifier({0: b"m" * 32}.get).verify(body["predictionId"])
    assert (said.cohort, said.unit) == (None, unit_hash("ns/fixture", "customer-7"))
    assert refused.status_code == 400
    assert all(f'"{field.name}"' in schema for field in fields)


@pytest.mark.parametrize(
    "change", [{"age": 17}, {"visits": -1}, {"channel": "radio"}, {"city": 5}, {"income": "x"}, {"more": 1}]
)
def test_a_typed_input_takes_what_its_fields_take(change: dict[str, Any]) -> None:
    """Bounds, categories, nullability and closedness of the manifest's fields hold for the pydantic type."""
    lead = inputs_type("Lead", LEAD)
    assert lead.model_validate(VALID | {"income": None, "city": None}).model_dump()["income"] is None
    assert lead.model_validate(VALID).model_dump() == VALID
    with pytest.raises(ValidationError):
        lead.model_validate(VALID | change)


def test_a_field_without_bounds_takes_any_number() -> None:
    """Absent limits stay absent."""
    assert inputs_type("Any", [NumberField(name="x")]).model_validate({"x": -1e300}).model_dump() == {"x": -1e300}
