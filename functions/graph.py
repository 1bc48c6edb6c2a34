"""Microsoft Graph's change notifications."""

from __future__ import annotations

import logging

import azure.functions as func

from functions.lazily import get_product

MAX_BODY = 1024 * 1024
"""Bytes. Graph packs notifications of one subscription into a request; a genuine one stays far below this."""

logger = logging.getLogger(__name__)
blueprint = func.Blueprint()


@blueprint.function_name("graph_notifications")
@blueprint.route(
    "graph/notifications", trigger_arg_name="request", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
def graph_notifications(request: func.HttpRequest) -> func.HttpResponse:
    """Answer Graph within its 3 seconds.

    A new subscription is confirmed by giving back the decoded `validationToken` as plain text. Everything else is
    answered 202, genuine or not, so that a prober learns nothing; the service verifies and drops. Only when the
    service fails to note a genuine hint does the request fail, and Graph sends it again.
    """
    token = request.params.get("validationToken")
    if token is not None:
        return func.HttpResponse(token, mimetype="text/plain", headers={"X-Content-Type-Options": "nosniff"})
    body = request.get_body()
    if len(body) > MAX_BODY:
        logger.warning("dropped a Graph notification of %d bytes: more than %d", len(body), MAX_BODY)
    else:
        get_product().service.notified(body)
    return func.HttpResponse(status_code=202)
