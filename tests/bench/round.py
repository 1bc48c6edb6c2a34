"""All pairs of one mail domain looked at in one round: `python -m tests.bench.round --pairs 200`

The product is a `tandem serve` of its own, with real sockets and SQLite; both simulated vendors are in this process,
which notes when DingTalk was asked for what. Its rate is the documented one: 40 requests in any second."""

from __future__ import annotations

import argparse
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.dingtalk.switches import Switches
from sandbox.simulation.letters import letter
from sandbox.vendors import Vendors
from sandbox.web import Request, Response
from shared.model.pairs import Pair
from shared.sync.schedule import interval
from shared.wiring.parts import Parts
from shared.wiring.product import build
from shared.wiring.replicas import password_name
from shared.wiring.settings import load_settings
from tests.support.processes import process, until

POLL = 30.0
PATIENCE = 1800.0


class Watch:
    """What is asked of DingTalk's mail: when, for whom, and how often the answer was "too fast"."""

    def __init__(self, vendors: Vendors) -> None:
        self.asked: list[tuple[float, str]] = []
        self.refused = 0
        self._answer = vendors.dingtalk.handle
        vendors.dingtalk.handle = self._watched  # type: ignore[method-assign]

    def _watched(self, request: Request) -> Response:
        if "/users/" in request.path:
            self.asked.append((time.time(), request.path.split("/users/")[1].split("/")[0]))
        answer = self._answer(request)
        self.refused += answer.status == 429
        return answer

    def busiest(self) -> int:
        """Requests in the busiest second, wherever it begins."""
        most, second = 0, deque[float]()
        for at, _ in list(self.asked):
            second.append(at)
            while second[0] <= at - 1.0:
                second.popleft()
            most = max(most, len(second))
        return most

    def told(self, what: str, began: float) -> None:
        span = max((at for at, _ in self.asked), default=began) - began
        print(
            f"{what}: {span:.1f} s, {len(self.asked)} requests for {len(Counter(u for _, u in self.asked))} mailboxes, "
            f"{self.busiest()} in the busiest second, {self.refused} refused",
            flush=True,
        )
        self.asked.clear()


@contextmanager
def paired(vendors: Vendors, folder: Path) -> Iterator[None]:
    """The product, with everybody paired from now on, as if an administrator had done it."""
    settings = {
        **vendors.settings(),
        "TANDEM_STATE": str(folder / "state"),
        "TANDEM_POLL_SECONDS": str(int(POLL)),
        "TANDEM_NIGHT_POLL_SECONDS": str(int(POLL)),
    }
    known = load_settings(settings)
    product = build(known, Parts.embedded(known))
    for number, one in enumerate(vendors.pairs, 1):
        product.secrets.set(password_name(f"pair-{number}"), one.client_password)
        product.pairs.add(Pair(f"pair-{number}", one.name, one.outlook, one.dingtalk, time.time(), one.union_id))
    product.close()
    with process(folder, "serve", **settings) as serving:
        serving.ready()
        yield


def measure(pairs: int) -> None:
    with Vendors(pairs=pairs) as vendors, TemporaryDirectory() as folder:
        rate = Switches().rate
        every = interval(pairs, POLL)
        print(f"{pairs} pairs of one mail domain, {rate:.0f} requests a second allowed, a look each {every:.0f} s")
        watch, began = Watch(vendors), time.time()
        with paired(vendors, Path(folder)):
            until(lambda: looked(watch) == pairs, PATIENCE, lambda: "somebody was never looked at")
            time.sleep(every)
            watch.told("the first looks of all", began)
            for number in range(1, 4):
                began = time.time()
                time.sleep(every + 1.0)
                watch.told(f"round {number}", began)
            began = time.time()
            arrive(vendors)
            until(lambda: there(vendors), PATIENCE, lambda: "a message never crossed")
            watch.told(f"a message for each, all across after {time.time() - began:.1f} s", began)


def looked(watch: Watch) -> int:
    return len({user for _, user in list(watch.asked)})


def arrive(vendors: Vendors) -> None:
    for number, person in enumerate(vendors.people, 1):
        box = person.boxes["dingtalk"]
        box.deliver(letter("li.na@supplier.example", [box.address], number, time.time())[1])


def there(vendors: Vendors) -> bool:
    return all(person.boxes["outlook"].messages() for person in vendors.people)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    measure(parser.parse_args(arguments).pairs)


if __name__ == "__main__":
    main()
