"""Adding people and taking them out, with the rows, secrets and vendors that belong to it."""

from __future__ import annotations

from shared.model.pairs import Pair
from shared.model.words import SIDES
from shared.ops.pairing import Proposal, propose
from shared.ops.removal import Removal
from shared.ports.state import Secrets
from shared.ports.world import Random
from shared.sync.desk import Desk
from shared.wiring.pairs import Pairs
from shared.wiring.replicas import Replicas, kept_password, password_name


class People:
    """Every method raises a TandemError, with nothing changed, when it can't be done."""

    def __init__(
        self, pairs: Pairs, replicas: Replicas, secrets: Secrets, random: Random, desk: Desk, removal: Removal
    ) -> None:
        self._pairs, self._replicas, self._secrets = pairs, replicas, secrets
        self._random, self._desk, self._removal = random, desk, removal

    def new_id(self) -> str:
        """A pair's id says nothing about its person, since logs show it."""
        return f"p-{self._random.token()[:8]}"

    def propose(self, pair: Pair) -> Proposal:
        """Ask both vendors whose mailboxes these are, and look at the pairs that there are. Writes nothing.
        NotPermitted when a mailbox can't be opened."""
        owners = {side: self._replicas.owner(side, pair.address(side)) for side in SIDES}
        trees = {side: self._replicas.replica(pair, side).tree() for side in SIDES} if pair.exclude_folders else {}
        return propose(pair, owners, self._pairs.list(), trees)

    def add(self, pair: Pair, password: str) -> None:
        """`password` "" leaves it for later. NoClientPassword when it is refused: nothing is added then."""
        if password:
            self._replicas.try_new(pair, password)
        self._pairs.add(pair)
        if password:
            self._secrets.set(password_name(pair.id), password)
        self._desk.wake(pair)

    def has_password(self, pair: Pair) -> bool:
        return bool(kept_password(self._secrets, pair.id))

    def set_password(self, pair: Pair, password: str, again: bool = False) -> None:
        """NoClientPassword when it is refused: the one that was kept stays. One that DingTalk has refused before isn't
        tried unless `again` says so."""
        self._replicas.try_password(pair, password, again)
        self._secrets.set(password_name(pair.id), password)
        self._desk.wake(pair)

    def remove(self, pair: Pair) -> list[str]:
        return self._removal.remove(pair)
