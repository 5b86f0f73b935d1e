"""The routes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from marquee.contract.audit_paths import (
    AUDIT_ENTRIES_PATH,
    AUDIT_LOG_PATH,
    AUDIT_MODELS_PATH,
    AUDIT_POLICY_PATH,
    AUDIT_PROOFS_PATH,
)
from marquee.contract.drift import DRIFT_PATH, PROFILES_PATH
from marquee.contract.exposures import EXPOSURES_PATH
from marquee.contract.ledger import (
    COUNTS_PATH,
    JUDGE_PATH,
    OUTCOMES_PATH,
    PREDICTION_KEYS_PATH,
    ROLLOUTS_PATH,
    STATISTICS_PATH,
)
from marquee.contract.performance import PERFORMANCE_PATH
from marquee.contract.privacy import ERASURES_PATH, PREDICTION_LOG_PATH, SUPPRESSIONS_PATH
from marquee.contract.stamping import STAMPING_PATH
from marquee.ledger.http import audit, pages, subjects
from marquee.ledger.http.batches import post_counts, post_exposures
from marquee.ledger.http.drift import get_drift, post_drift, post_profile, put_performance
from marquee.ledger.http.judge import get_verdict, post_begin, post_verdict
from marquee.ledger.http.keys import get_prediction_key
from marquee.ledger.http.outcomes import post_outcomes
from marquee.ledger.http.problems import problems
from marquee.ledger.http.requests import MAX_BODY_BYTES
from marquee.ledger.http.rollouts import close_rollout, get_current_step, put_rollout
from marquee.ledger.http.stamping import delete_stamping, get_stamping, put_stamping
from marquee.ledger.http.state import STATE, State
from marquee.ledger.http.statistics import get_statistics

MAX_URL_BYTES: Final = 256 * 1024
"""The statistics of a thousand rollouts are asked for in one line."""
_MODEL: Final = "/{namespace}/{model}"
_ROLLOUT: Final = ROLLOUTS_PATH + _MODEL + "/{rollout}"


def application(state: State) -> web.Application:
    """The ledger's application over parts that run already."""
    app = web.Application(middlewares=[_timed, problems, _closing], client_max_size=MAX_BODY_BYTES)
    app[STATE] = state
    app.add_routes(
        [
            web.post(EXPOSURES_PATH, post_exposures),
            web.post(COUNTS_PATH, post_counts),
            web.post(OUTCOMES_PATH, post_outcomes),
            web.post(PROFILES_PATH, post_profile),
            web.post(DRIFT_PATH, post_drift),
            web.get(DRIFT_PATH + _MODEL + "/{revision}", get_drift),
            web.put(DRIFT_PATH + _MODEL + PERFORMANCE_PATH, put_performance),
            web.get(STATISTICS_PATH, get_statistics),
            web.get(PREDICTION_KEYS_PATH + _MODEL, get_prediction_key),
            web.get(ROLLOUTS_PATH + _MODEL, get_current_step),
            web.put(_ROLLOUT, put_rollout),
            web.post(_ROLLOUT + "/close", close_rollout),
            web.put(_ROLLOUT + "/stamping", put_stamping),
            web.delete(_ROLLOUT + "/stamping", delete_stamping),
            web.get(STAMPING_PATH + _MODEL, get_stamping),
            web.get(JUDGE_PATH + _MODEL, get_verdict),
            web.post(JUDGE_PATH + _MODEL, post_verdict),
            web.post(JUDGE_PATH + _MODEL + "/begin", post_begin),
            web.post(PREDICTION_LOG_PATH, subjects.post_decisions),
            web.get(PREDICTION_LOG_PATH + _MODEL, subjects.get_decisions),
            web.get(SUPPRESSIONS_PATH + _MODEL, subjects.get_suppressions),
            web.post(SUPPRESSIONS_PATH + _MODEL, subjects.post_suppressions),
            web.delete(SUPPRESSIONS_PATH + _MODEL, subjects.delete_suppressions),
            web.post(ERASURES_PATH, subjects.post_erasure),
            web.post(AUDIT_ENTRIES_PATH, audit.post_entry),
            web.get(AUDIT_ENTRIES_PATH, audit.get_entries),
            web.get(AUDIT_MODELS_PATH + _MODEL, audit.get_entries_of_model),
            web.get(AUDIT_PROOFS_PATH, audit.get_proofs),
            web.get(AUDIT_PROOFS_PATH + _MODEL, audit.get_proofs_of_model),
            web.get(AUDIT_POLICY_PATH, audit.get_policy),
            web.get(AUDIT_LOG_PATH + "/{path:.+}", audit.get_file),
            web.get("/healthz", pages.healthz),
            web.get("/readyz", pages.readyz),
            web.get("/metrics", pages.metrics),
        ]
    )
    return app


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _timed(request: web.Request, handler: _Handler) -> web.StreamResponse:
    started = time.perf_counter()
    response = await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "none"
    metrics = request.app[STATE].metrics
    metrics.requests.labels(route, str(response.status)).observe(time.perf_counter() - started)
    return response


@web.middleware
async def _closing(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """While the process drains, each answer asks its client to connect elsewhere next time."""
    response = await handler(request)
    if request.app[STATE].draining:
        response.force_close()
    return response
