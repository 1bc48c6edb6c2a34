"""DingTalk's event callback."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import azure.functions as func

from functions.triggered import triggered
from shared.dingtalk.callback import CallbackRefused, Forged, Malformed, Stale
from shared.model.errors import SignInRefused

if TYPE_CHECKING:
    from shared.wiring.product import Product

MAX_BODY = 64 * 1024
"""Bytes. An event holds ids and no content; a genuine one stays far below this."""
STATUSES: Mapping[type[CallbackRefused], int] = {Malformed: 400, Forged: 401, Stale: 403}

logger = logging.getLogger(__name__)
blueprint = func.Blueprint()


@blueprint.function_name("dingtalk_callback")
@blueprint.route("dingtalk/callback", trigger_arg_name="request", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def dingtalk_callback(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer DingTalk within its 1.5 seconds, by an encrypted "success" once the event is noted.

    Malformed 400, forged 401, stale 403, oversized 413, and 404 where no app is set up. Only when a genuine event can't
    be noted, or the app's secrets aren't there yet (503), does the request fail, and DingTalk sends it again.
    """
    with triggered("dingtalk_callback", context) as product:
        return _text(503, "not set up yet") if product is None else _answer(product, request)


def _answer(product: Product, request: func.HttpRequest) -> func.HttpResponse:
    if product.callback is None:
        return _text(404, "no DingTalk app is set up here")
    body = request.get_body()
    if len(body) > MAX_BODY:
        logger.warning("a DingTalk callback of %d bytes was refused: more than %d", len(body), MAX_BODY)
        return _text(413, "too large")
    try:
        answer = product.callback.take(request.params, body)
    except CallbackRefused as refused:
        logger.warning("%s", refused)
        return _text(STATUSES[type(refused)], type(refused).__name__.lower())
    except SignInRefused:  # the log has said which secret is missing
        return _text(503, "not set up yet")
    product.telemetry.keep()
    return func.HttpResponse(json.dumps(answer), mimetype="application/json")


def _text(status: int, text: str) -> func.HttpResponse:
    return func.HttpResponse(text, status_code=status, mimetype="text/plain")
