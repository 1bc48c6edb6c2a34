"""The door at which DingTalk's event callback knocks: a call is proved, noted and answered. No vendor is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.dingtalk.callback import Forged, Keys, Opened, Stale, open_callback, seal
from shared.ports.state import Table
from shared.ports.world import Random
from shared.sync.events import Event, Events


class CallbackDoor:
    """One app of one organisation. `keys`: what its callback is set up with, as it is now if that is asked for. Time is
    the table's, so that all workers judge the age of a call alike."""

    def __init__(self, keys: Callable[[bool], Keys], table: Table, random: Random, events: Events) -> None:
        self._keys, self._table, self._random, self._events = keys, table, random, events

    def take(self, query: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The answer to a genuine call, given once what it tells is noted. Malformed, Forged and Stale change nothing,
        but that a clock which seems to be wrong is noted for `status`. After any other error DingTalk sends it
        again."""
        now = self._table.now()
        try:
            keys, opened = self._opened(query, body, now)
        except Stale as stale:
            self._events.doubt_clock(stale.key, stale.off)
            raise
        self._events.note(_event(opened))
        salt = bytes.fromhex(self._random.token())
        return seal(keys, "success", opened.owner, now=now, nonce=self._random.token()[:16], salt=salt)

    def _opened(self, query: Mapping[str, str], body: bytes, now: float) -> tuple[Keys, Opened]:
        """What can't be proved with the keys that are known is tried with those of this moment: DingTalk calls at once
        with new ones, and takes no address that doesn't answer."""
        keys = self._keys(False)
        try:
            return keys, open_callback(keys, query, body, now)
        except Forged:
            newer = self._keys(True)
            if newer == keys:
                raise
            return newer, open_callback(newer, query, body, now)


def _event(opened: Opened) -> Event:
    return Event(opened.key, opened.type, _ids(opened.fields.get("userid")))


def _ids(value: object) -> tuple[str, ...]:
    """The user ids of an event: a list of them (DingTalk: user_leave_org), and never anything longer than an id."""
    values = value if isinstance(value, list) else [value]
    return tuple(id for id in values if isinstance(id, str) and 0 < len(id) <= LONGEST_ID)


LONGEST_ID = 128
