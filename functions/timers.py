"""The clock that drives polling, catch-up, renewal and whatever else is due."""

from __future__ import annotations

import azure.functions as func

from functions.lazily import get_product

blueprint = func.Blueprint()


# Without the monitor the host writes nothing to storage for each tick; a tick missed during a restart needs no repair,
# because the service decides what is due from what it stored.
@blueprint.function_name("tick")
@blueprint.timer_trigger(arg_name="timer", schedule="%TANDEM_TICK_SCHEDULE%", run_on_startup=False, use_monitor=False)
def tick(timer: func.TimerRequest) -> None:
    """Put what is due into the queues, and look at DingTalk when there are few pairs.

    The setting TANDEM_TICK_SCHEDULE is NCRONTAB with seconds, in UTC."""
    get_product().service.tick(here=True)
