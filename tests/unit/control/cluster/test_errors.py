import pytest

from marquee.control.cluster.errors import (
    AlreadyExists,
    ApiError,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    api_error,
)
from tests.unit.control.cluster.scripted_api import status


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, ApiError),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (422, Invalid),
        (429, TooManyRequests),
        (500, ServerFault),
        (503, ServerFault),
    ],
)
def test_each_status_is_its_own_error(code: int, kind: type[ApiError]) -> None:
    """The HTTP status alone decides the error's class, and all are cluster errors."""
    error = api_error(code, {}, "/apis/x")

    assert type(error) is kind
    assert isinstance(error, ClusterError)
    assert error.status == code


def test_an_existing_object_is_told_from_a_conflict() -> None:
    """Both are 409; the reason tells them apart, and the first is one of the second."""
    error = api_error(409, status(409, "AlreadyExists"), "/p")

    assert type(error) is AlreadyExists
    assert isinstance(error, Conflict)


def test_the_text_says_what_where_and_why() -> None:
    """A person reads request, status, reason and the server's own words."""
    error = api_error(403, status(403, "Forbidden", "pods is forbidden"), "/api/v1/pods", method="GET")

    assert str(error) == "GET /api/v1/pods: 403 Forbidden: pods is forbidden"


def test_causes_name_the_fields() -> None:
    """Each cause keeps its field and message, whatever it lacks."""
    causes = [{"reason": "FieldValueInvalid", "field": "spec.steps[0]", "message": "too big"}, {"message": "alone"}]
    error = api_error(422, status(422, "Invalid", details={"causes": causes}), "/p")

    assert error.causes == [("spec.steps[0]", "too big"), ("", "alone")]


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [
        ("3", None, 3.0),
        (None, {"retryAfterSeconds": 7}, 7.0),
        ("2", {"retryAfterSeconds": 7}, 2.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None, None),
        ("-5", None, None),
        (None, None, None),
        ("nan", None, None),
        ("inf", None, None),
    ],
)
def test_the_wait_comes_from_header_or_status(header: str | None, details: object, seconds: float | None) -> None:
    """The header's seconds win over the Status'; what is no sensible number of seconds counts as unsaid."""
    error = api_error(429, status(429, "TooManyRequests", details=details), "/p", retry_after_header=header)

    assert error.retry_after == seconds


def test_a_body_that_is_no_status_still_makes_an_error() -> None:
    """A proxy's odd answer gives an error with the status and the class's own name."""
    error = api_error(503, {"details": None, "message": None, "reason": 5}, "/p")

    assert (error.reason, error.message, error.causes) == ("5", "the server gave no message", [])
