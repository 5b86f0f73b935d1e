"""``GET /v1/prediction-keys/{namespace}/{model}``: the key that a model's pods sign their prediction ids with.

A pod proves by its service-account token which model it serves, so no Secret has to lie in the models' namespaces and
the operator never holds a key: nobody but the ledger can sign for every model.
"""

from __future__ import annotations

from aiohttp import web

from marquee.contract.ledger import PredictionKey
from marquee.contract.prediction import derive_secret
from marquee.ledger.access.senders import Role
from marquee.ledger.http.problems import forbidden
from marquee.ledger.http.requests import model_path_of, reply, sender_of, state_of


async def get_prediction_key(request: web.Request) -> web.Response:
    """The newest key, for the model's own pods."""
    model = model_path_of(request)
    sender = await sender_of(request, Role.EXPOSURES, model)
    if not sender.serves(model):
        raise forbidden(f"{sender.name} does not serve {model}: only the model's own service account gets its key")
    key_id, master = state_of(request).keys.newest()
    return reply(PredictionKey(key_id=key_id, secret=derive_secret(master, model).hex()))
