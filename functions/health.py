"""Whether the app can work at all, for whoever watches it from outside."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import azure.functions as func

from shared.model.errors import WrongSettings
from shared.wiring.product import get_product

logger = logging.getLogger(__name__)
blueprint = func.Blueprint()


@blueprint.function_name("health")
@blueprint.route("health", trigger_arg_name="request", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(request: func.HttpRequest) -> func.HttpResponse:
    """200 when the settings are good, their secrets there and the state can be read, else 503. `settings` names the
    settings and secrets that are missing or wrong, without a value; every other reason stands in the log alone."""
    try:
        get_product().check()
    except WrongSettings as error:
        logger.error("the app is not healthy: settings are missing or wrong: %s", ", ".join(error.names))
        return _answer(503, {"ok": False, "settings": error.names})
    except Exception as error:  # whatever it is, a prober is told the same
        logger.error("the app is not healthy: %s", type(error).__name__)
        return _answer(503, {"ok": False})
    return _answer(200, {"ok": True})


def _answer(status: int, facts: Mapping[str, Any]) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(facts), status_code=status, mimetype="application/json")
