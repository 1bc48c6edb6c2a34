"""The queue workers. A message that keeps failing ends in the queue's poison queue (host.json: maxDequeueCount).

No function is triggered by the poison queues: a trigger that succeeds deletes its message, and one that fails moves it
on to a poison queue of its own. So they stay where they can be listed and replayed; the timer counts and tells them.
"""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func

from functions.lazily import get_product

blueprint = func.Blueprint()


@blueprint.function_name("poll")
@blueprint.queue_trigger(arg_name="message", queue_name="poll", connection="AzureWebJobsStorage")
def poll(message: func.QueueMessage) -> None:
    """Look at a shard of pairs and enqueue those that differ."""
    get_product().service.poll(_object(message))


@blueprint.function_name("work")
@blueprint.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    """Reconcile a (pair, kind), or act upon what a callback told."""
    get_product().service.work(_object(message))


@blueprint.function_name("bulk")
@blueprint.queue_trigger(arg_name="message", queue_name="bulk", connection="AzureWebJobsStorage")
def bulk(message: func.QueueMessage) -> None:
    """Reconcile a (pair, kind) in short turns that yield to live work."""
    get_product().service.work(_object(message), bulk=True)


def _object(message: func.QueueMessage) -> dict[str, Any]:
    """The message's JSON object; ValueError, without its text, when it is something else."""
    try:
        value = json.loads(message.get_body())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"queue message {message.id} is not a JSON object; it goes to the poison queue")
    return value
