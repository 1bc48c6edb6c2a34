"""What nobody asks for until it is too late, told once in a while: calls that are left, and what ends soon."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.model.errors import TandemError
from shared.model.metrics import EXPIRES, QUOTA_LEFT
from shared.ports.telemetry import Telemetry

CERTIFICATE, PASSWORD, SECRET = "certificate", "client password", "secret"
DAY = 86400.0


class Gauges:
    """`now`: epoch seconds. `quota`: calls left, None where there is no quota. `certificate`: when the app's ends, None
    without one. `secrets`: when each secret ends, by its name, those without an end left out; None where the store
    can't tell. `password_of`: the pair whose client password a secret is, None for others."""

    def __init__(
        self,
        telemetry: Telemetry,
        now: Callable[[], float],
        quota: Callable[[], int] | None,
        certificate: float | None,
        secrets: Callable[[], Mapping[str, float]] | None,
        password_of: Callable[[str], str | None],
    ) -> None:
        self._telemetry, self._now, self._quota = telemetry, now, quota
        self._certificate, self._secrets, self._password_of = certificate, secrets, password_of

    def tell(self) -> None:
        """Whatever can be read now; what can't be is told another time."""
        if self._quota is not None:
            self._telemetry.gauge(QUOTA_LEFT, self._quota())
        if self._certificate is not None:
            self._expires(self._certificate, kind=CERTIFICATE)
        try:
            ends = self._secrets() if self._secrets is not None else {}
        except TandemError:  # a role that may read secrets and not list them: what is read stays so
            return
        others = []
        for name, end in ends.items():
            pair = self._password_of(name)
            if pair is None:
                others.append(end)
            else:
                self._expires(end, kind=PASSWORD, pair=pair)
        if others:
            self._expires(min(others), kind=SECRET)

    def _expires(self, end: float, **dimensions: str) -> None:
        self._telemetry.gauge(EXPIRES, (end - self._now()) / DAY, **dimensions)
