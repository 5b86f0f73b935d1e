"""A BentoML service beside the front: it knows no headers, and is no way around consent."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from bentos.front import process
from bentos.front.predictor import Predictor
from bentos.front.privacy.suppressions import Suppressions
from bentos.front.service import ServiceView, SubjectWithheldError
from marquee.contract.assignment import unit_hash
from tests.unit.front.conftest import SCORE, VALID
from tests.unit.front.privacy.conftest import Build, World
from tests.unit.front.privacy.tokens import MODEL, UNIT


@pytest.fixture
def view(build: Build, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the view of a service on a world's model."""

    def make(suppressed: Suppressions | None = None, **privacy: Any) -> tuple[ServiceView, World]:
        world = build(suppressed, **privacy)
        monkeypatch.setattr(process, "_loaded", None)
        process.adopt(predictor, world.settings, guard=world.guard)
        return ServiceView(), world

    return make


async def test_where_consent_is_asked_for_a_service_predicts_for_nobody(view: Any) -> None:
    """Also where there is an answer for everybody: nothing in a document would say that it is none."""
    service, world = view(purposes=("ads",), withheld_answer={"score": 0.06})
    with pytest.raises(SubjectWithheldError, match="consent to: ads") as caught:
        await service.predict(VALID, UNIT)
    assert caught.value.error_code == 403
    assert world.guard.withheld["consent"] == 1


async def test_a_service_predicts_for_all_but_the_suppressed(view: Any) -> None:
    """Who is named and on the list is refused; others get their prediction."""
    known = Suppressions()
    known.replace(1, array("Q", [int.from_bytes(unit_hash(MODEL, UNIT), "big")]))
    service, _ = view(known)
    with pytest.raises(SubjectWithheldError):
        await service.predict(VALID, UNIT)
    assert (await service.predict(VALID, "somebody else"))["outputs"] == {"score": SCORE}
