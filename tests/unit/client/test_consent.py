"""What a client says of its user's consent, and how it tells an answer that is no prediction."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.client import InvalidRequestError, ModelClient, consent, consent_headers, predictions
from marquee.contract import privacy
from tests.unit.client.servers import Reply, Scripted
from tests.unit.client.test_model import GOOD
from tests.unit.front.privacy.tokens import token


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"purposes": "profiling"}, "must be a list of names"),
        ({"purposes": ["Profiling"]}, "'Profiling' is no name"),
        ({"purposes": ["ads, profiling"]}, "is no name"),
        ({"purposes": ["ads\r\nmarquee-unit: x"]}, "is no name"),
        ({"purposes": [7]}, "7 is no name"),
        ({"purposes": [""]}, "is no name"),
        ({"token": ""}, "purpose_token: is no signed token"),
        ({"token": "secret.secret"}, "purpose_token: is no signed token"),
        ({"token": "secret.secret.secret\r\n"}, "purpose_token: is no signed token"),
        ({"token": 7}, "purpose_token: is no signed token"),
    ],
)
def test_what_is_no_consent_is_refused_before_anything_is_sent(given: dict[str, Any], words: str) -> None:
    """A misspelt purpose would silently be none; no message repeats a token."""
    with pytest.raises(InvalidRequestError, match=words) as caught:
        consent_headers(**given)
    assert "secret" not in str(caught.value)


def test_nothing_is_sent_where_nothing_is_said() -> None:
    """As before consent was known to the client."""
    assert consent_headers() == {}


def test_purposes_and_token_travel_as_the_contract_names_them() -> None:
    """In one list, and as they are."""
    made = token()
    assert consent_headers(["ads", "profiling"], made) == {
        privacy.HEADER_PURPOSES: "ads,profiling",
        privacy.HEADER_PURPOSE_TOKEN: made,
    }
    assert (consent.HEADER_PURPOSES, predictions.HEADER_WITHHELD) == (privacy.HEADER_PURPOSES, privacy.HEADER_WITHHELD)


def test_a_prediction_says_whether_it_is_one() -> None:
    """What everybody gets instead has the reason; a prediction has none."""
    replies = (Reply(200, GOOD, {"marquee-withheld": "consent"}), Reply(200, GOOD))
    with Scripted(*replies) as scripted, ModelClient("crm/lead", scripted.url) as client:
        withheld = client.predict({"age": 1}, unit="user-1")
        given = client.predict({"age": 1}, unit="user-1", purposes=["ads"], purpose_token=token())
    assert (withheld.withheld, given.withheld) == ("consent", "")
    before, after = scripted.seen
    assert after.headers.keys() - before.headers.keys() == {"marquee-purposes", "marquee-purpose-token"}
