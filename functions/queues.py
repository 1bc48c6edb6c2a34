"""The queue workers. A message that keeps failing ends in the queue's poison queue (host.json: maxDequeueCount).

No function is triggered by the poison queues: a trigger that succeeds deletes its message, and one that fails moves it
on to a poison queue of its own. So they stay where they can be listed and replayed; the timer counts and tells them.

A message only says where to look: what there is to do stands in rows, and the timer asks for it again. So one that
comes while the app can't start for its settings is done with, and doesn't end as poison.
"""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func

from functions.triggered import triggered

blueprint = func.Blueprint()


@blueprint.function_name("poll")
@blueprint.queue_trigger(arg_name="message", queue_name="poll", connection="AzureWebJobsStorage")
def poll(message: func.QueueMessage, context: func.Context) -> None:
    """Look at a shard of pairs and enqueue those that differ."""
    asked = _object(message)
    with triggered("poll", context, asked) as product:
        if product is not None:
            product.service.poll(asked)


@blueprint.function_name("work")
@blueprint.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage, context: func.Context) -> None:
    """Reconcile a (pair, kind), or act upon what a callback told."""
    asked = _object(message)
    with triggered("work", context, asked) as product:
        if product is not None:
            product.service.work(asked)


@blueprint.function_name("bulk")
@blueprint.queue_trigger(arg_name="message", queue_name="bulk", connection="AzureWebJobsStorage")
def bulk(message: func.QueueMessage, context: func.Context) -> None:
    """Carry a large message, or reconcile a (pair, kind) in a short turn that yields to live work."""
    asked = _object(message)
    with triggered("bulk", context, asked) as product:
        if product is not None:
            product.bulk(asked)


def _object(message: func.QueueMessage) -> dict[str, Any]:
    """The message's JSON object; ValueError, without its text, when it is something else."""
    try:
        value = json.loads(message.get_body())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"queue message {message.id} is not a JSON object; it goes to the poison queue")
    return value
