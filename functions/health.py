"""Whether the app can work at all, for whoever watches it from outside."""

from __future__ import annotations

import logging

import azure.functions as func

from functions.lazily import get_product

logger = logging.getLogger(__name__)
blueprint = func.Blueprint()


@blueprint.function_name("health")
@blueprint.route("health", trigger_arg_name="request", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(request: func.HttpRequest) -> func.HttpResponse:
    """200 when the settings are good and the state can be read, else 503; why stands in the log and nowhere else."""
    try:
        get_product().check()
    except Exception as error:  # whatever it is, a prober is told the same
        logger.error("the app is not healthy: %s", type(error).__name__)
        return func.HttpResponse('{"ok": false}', status_code=503, mimetype="application/json")
    return func.HttpResponse('{"ok": true}', mimetype="application/json")
