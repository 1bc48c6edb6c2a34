"""`tandem serve` whose lease and waits are as short as simulated vendors bear, which real ones don't, so that no test
waits for minutes: python -m tests.support.hasty serve --port 0. Everything else is as the settings say.

With HASTY_UNPACED its requests to Alimail leave as fast as they can, with HASTY_PATIENT its times are the product's.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any

from sandbox import main, serving
from shared.dingtalk.bucket import Bucket
from shared.sync import creating
from shared.sync.run import Policy
from shared.wiring import product, replicas
from shared.wiring.settings import Settings

TIMES: dict[str, Any] = {"timeout": 6.0, "grace": 0.0, "lease": 14.0, "reread": 3.0, "retry": 3.0, "busy": 1.0}
APART = 0.1
"""In the place of `creating.APART`: how long one copy has to wait for another that goes with it."""
UNPACED, PATIENT = "HASTY_UNPACED", "HASTY_PATIENT"


def unpaced() -> None:
    """From now on in this process."""
    vars(replicas)["Bucket"] = partial(Bucket, rate=100_000.0)


def _hasty(settings: Settings) -> product.Product:
    built = product.build(settings)
    for user in (built.service, built.desk):
        policy: Policy = user._policy
        user._policy = replace(policy, **TIMES)
    return built


if __name__ == "__main__":
    if not os.environ.get(PATIENT):
        vars(serving)["build"] = _hasty
        vars(creating)["APART"] = APART
    if os.environ.get(UNPACED):
        unpaced()
    main.main()
