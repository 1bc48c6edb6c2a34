"""The Azure Functions app: builds the FunctionApp and registers the blueprints."""

from __future__ import annotations

import azure.functions as func

from functions import dingtalk, graph, health, queues, timers

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for module in (graph, dingtalk, health, timers, queues):
    app.register_functions(module.blueprint)
