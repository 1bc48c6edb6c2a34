"""Mail without a client password that DingTalk takes: nobody knocks twice, what is to be copied waits and is counted,
all else goes on, and the next good password brings over what is not there yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sandbox.dingtalk.store import Store
from sandbox.simulation.adapters import SimSecrets
from sandbox.simulation.office import DINGTALK
from sandbox.simulation.world import Fate, Kind, World
from shared.dingtalk import mailbox, poll
from shared.model.errors import NoClientPassword, WrongSettings
from shared.model.shut import EXPIRED, MISSING, OFF, REFUSED, Why
from shared.model.words import SIDES, Side
from shared.sync import shut
from shared.wiring.replicas import password_name
from tests.support.scene import ADDRESS, SETTLED, Scene, mail

HOUR, QUARTER = 3600.0, 900.0
GOOD, NEW = "client-password", "another-password"
Spoil = Callable[["Mailbox"], None]


class Mailbox(Scene):
    """With what an administrator does about the client password of its DingTalk side."""

    def __init__(self, spoil: Spoil | None = None) -> None:
        super().__init__((lambda scene: spoil(self)) if spoil else None)

    @property
    def store(self) -> Store:
        return self.office.dingtalk.mailboxes[DINGTALK].store

    def switch(self, **switches: object) -> None:
        world = self.office.dingtalk._world
        world.switches = replace(world.switches, **switches)  # type: ignore[arg-type]

    def keep(self, password: str) -> None:
        """As somebody does who puts it into the vault."""
        self.office.keep_password(password)

    def give(self, password: str, again: bool = False) -> None:
        """`tandem pair password`, in a process of its own."""
        self.office.product().people.set_password(self.pair, password, again)

    @property
    def logins(self) -> list[str]:
        """The passwords that were tried, in their order."""
        return [password for _, password in self.office.dingtalk.logins]

    @property
    def why(self) -> Why | None:
        shut = self.status.shut
        return shut.why if shut else None

    def notes(self) -> list[tuple[str, str]]:
        """(place, text) of all notes in Outlook."""
        found = [m for m in self.box("outlook").messages() if m.message_id.endswith("@tandem.invalid")]
        return [(self.place("outlook", note), note.text or note.html) for note in found]

    def is_equal(self, *ids: str) -> bool:
        return all(self.places(id) == {side: ["inbox"] for side in SIDES} for id in ids)


def wrong(scene: Mailbox) -> None:
    scene.keep("wrong")


def missing(scene: Mailbox) -> None:
    scene.drop_password()


def expired(scene: Mailbox) -> None:
    scene.store.password_expired = True


def silently_expired(scene: Mailbox) -> None:
    scene.store.password_expired = True
    scene.switch(tells_why=False)


def off(scene: Mailbox) -> None:
    scene.store.imap_off = True


def closed(scene: Mailbox) -> None:
    scene.switch(imap_off="greeting")


def disabled(scene: Mailbox) -> None:
    scene.switch(imap_off="disabled")


def mended(scene: Mailbox) -> None:
    """DingTalk takes the new password."""
    scene.store.password, scene.store.password_expired, scene.store.imap_off = NEW, False, False
    scene.switch(imap_off="no", tells_why=True)
    scene.give(NEW)


EVERY = pytest.mark.parametrize(
    ("spoil", "why", "word", "tries"),
    [
        (wrong, REFUSED, "拒绝", ["wrong"]),
        (missing, MISSING, "还没有", []),
        (expired, EXPIRED, "已过期", [GOOD]),
        (silently_expired, REFUSED, "拒绝", [GOOD]),
        (off, OFF, "IMAP", [GOOD]),
        (closed, OFF, "IMAP", []),
        (disabled, OFF, "IMAP", []),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)


@EVERY
def test_nobody_knocks_twice_people_are_told_why_and_a_new_password_brings_all_over(
    spoil: Spoil, why: Why, word: str, tries: list[str]
) -> None:
    scene = Mailbox(spoil)
    scene.arrive("outlook", "a")
    scene.arrive("dingtalk", "b")
    scene.run(HOUR)
    scene.restart_workers()
    scene.arrive("outlook", "c")
    scene.run(HOUR)
    assert scene.logins == tries
    assert scene.why == why
    assert scene.waiting() == [("outlook", "no client password")] * 2
    ((place, text),) = scene.notes()
    assert place == "inbox"
    assert word in text
    scene.read("outlook", "b")
    scene.run()
    assert scene.state("dingtalk", "b") == ("inbox", True, "none"), "state goes on, and so does the other direction"
    mended(scene)
    scene.run(HOUR)
    assert scene.is_equal("a", "b", "c")
    assert scene.waiting() == []
    assert scene.why is None
    assert [place for place, _ in scene.notes()] == ["trash"]
    assert set(scene.logins[len(tries) :]) == {NEW}
    assert scene.mail_sent() == 0


def test_a_password_that_expires_in_the_middle_of_a_batch_stops_at_the_first_refusal() -> None:
    scene = Mailbox()
    scene.switch(ends_sessions=True)
    seen = [0]

    def decide(world: World, kind: Kind, name: str) -> Fate:
        seen[0] += name.startswith("imap literal")
        if seen[0] == 3:
            scene.store.password_expired = True
        return scene._fate(world, kind, name)

    scene.world.decide = decide
    ids = [f"m{number}" for number in range(12)]
    for id in ids:
        scene.arrive("outlook", id)
    scene.run(HOUR)
    before = len(scene.logins)
    assert scene.office.dingtalk.failed_logins.total() == 1
    waiting = scene.waiting()
    assert set(waiting) == {("outlook", "no client password")}
    assert 0 < len(waiting) < 12
    scene.run(2 * HOUR)
    assert len(scene.logins) == before
    scene.world.decide = scene._fate
    mended(scene)
    scene.run()
    assert scene.is_equal(*ids), {id: scene.places(id) for id in ids}


def test_a_refused_password_is_said_to_be_so_and_changes_nothing() -> None:
    scene = Mailbox(missing)
    scene.arrive("outlook", "a")
    scene.run()
    for _ in range(2):
        with pytest.raises(NoClientPassword, match="refused"):
            scene.give("wrong")
    assert scene.logins == ["wrong"], "what DingTalk has refused is not tried again by mistake"
    scene.run(HOUR)
    assert (scene.why, scene.logins) == (MISSING, ["wrong"])
    scene.store.password = "wrong"
    scene.give("wrong", again=True)
    scene.run()
    assert scene.is_equal("a")


def test_the_same_password_does_when_imap_is_switched_on_again() -> None:
    scene = Mailbox(off)
    scene.arrive("outlook", "a")
    scene.run(HOUR)
    scene.store.imap_off = False
    scene.run(HOUR)
    assert scene.logins == [GOOD], "nobody has said that it would be taken now"
    scene.give(GOOD)
    scene.run()
    assert scene.is_equal("a")


@pytest.mark.parametrize("how", ["greeting", "disabled"])
def test_a_server_that_tells_before_any_login_is_looked_at_now_and_then_until_it_takes_one(how: str) -> None:
    scene = Mailbox(lambda scene: scene.switch(imap_off=how))
    for number in range(3):
        scene.arrive("outlook", f"m{number}")
        scene.run(HOUR)
    assert scene.logins == []
    assert scene.why == OFF
    scene.switch(imap_off="no")
    scene.run(2 * HOUR)
    assert scene.is_equal(*(f"m{number}" for number in range(3)))
    assert set(scene.logins) == {GOOD}


def test_a_password_that_is_taken_away_leads_back_to_the_same_state() -> None:
    scene = Mailbox()
    scene.linked("outlook", "a")
    scene.drop_password()
    scene.arrive("outlook", "b")
    scene.run()
    assert (scene.why, scene.waiting()) == (MISSING, [("outlook", "no client password")])
    scene.give(GOOD)
    scene.run()
    assert scene.is_equal("a", "b")


def test_a_password_that_is_disabled_in_the_vault_is_none_and_stops_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene, get = Mailbox(), SimSecrets.get

    def disabled(secrets: SimSecrets, name: str, fresh: bool = False) -> str | None:
        if name == password_name("pair-1"):
            raise WrongSettings("the secret is disabled in the vault: enable it there")
        return get(secrets, name, fresh)

    monkeypatch.setattr(SimSecrets, "get", disabled)
    scene.arrive("outlook", "a")
    scene.arrive("dingtalk", "b")
    scene.run()
    assert scene.is_equal("b")
    assert (scene.why, scene.status.error) == (MISSING, "")
    monkeypatch.undo()
    scene.run(QUARTER)
    assert scene.is_equal("a")


def test_a_password_put_into_the_vault_is_found_within_half_an_hour() -> None:
    scene = Mailbox(wrong)
    scene.arrive("outlook", "a")
    scene.run(HOUR)
    scene.keep(GOOD)
    scene.run(2 * QUARTER)
    assert scene.is_equal("a")
    assert scene.logins == ["wrong", GOOD]


def test_a_password_given_while_a_run_is_on_is_used_and_the_old_one_is_not_tried_again() -> None:
    scene = Mailbox(wrong)
    given: list[float] = []

    def decide(world: World, kind: Kind, name: str) -> Fate:
        if name.startswith("imap LOGIN") and not given:
            given.append(world.now)
            world.after(0.3, lambda: scene.give(GOOD))
        return scene._fate(world, kind, name)

    scene.world.decide = decide
    scene.arrive("outlook", "a")
    scene.run(SETTLED)
    assert scene.is_equal("a")
    assert scene.logins.count("wrong") == 1


class Dying(Mailbox):
    """A worker dies at the ledger's call with the number `at` of those after a LOGIN has left; with `lands` that call
    is carried out all the same."""

    def __init__(self, at: int, lands: bool) -> None:
        self.at, self.lands, self.seen, self.knocked = at, lands, 0, False
        super().__init__(wrong)
        self.stage.restart = lambda: 1.0

    def _fate(self, world: World, kind: Kind, name: str) -> Fate:
        fate = super()._fate(world, kind, name)
        self.knocked = self.knocked or name.startswith("imap LOGIN")
        if self.knocked and kind == "ledger":
            self.seen += 1
            fate.crash = self.seen == self.at
            fate.effect_after = fate.effect_after if self.lands or not fate.crash else None
        return fate


@pytest.mark.parametrize("lands", [True, False], ids=["written", "not written"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_worker_that_dies_after_a_refusal_costs_one_more_login_at_most(at: int, lands: bool) -> None:
    scene = Dying(at, lands)
    scene.arrive("outlook", "a")
    scene.run(2 * HOUR)
    assert scene.seen > at
    assert len(scene.logins) <= 2
    if lands and at > 2:
        assert len(scene.logins) == 1, "the refusal is written by then"
    assert scene.waiting() == [("outlook", "no client password")]


def test_a_login_without_an_answer_is_an_outage_and_is_tried_more_and_more_seldom() -> None:
    scene = Mailbox()
    tried: list[float] = []

    def decide(world: World, kind: Kind, name: str) -> Fate:
        fate = scene._fate(world, kind, name)
        if name.startswith("imap LOGIN"):
            tried.append(world.now)
            fate.answer = False
        return fate

    scene.world.decide = decide
    scene.arrive("outlook", "a")
    scene.run(6 * HOUR)
    assert 6 <= len(tried) <= 30, "not at every turn: the server may count what it doesn't answer"
    assert scene.why is None
    scene.world.decide = scene._fate
    scene.run(HOUR + SETTLED)
    assert scene.is_equal("a")


# ---- what waited
def test_what_waited_is_linked_where_it_is_there_and_copied_where_not() -> None:
    scene = Mailbox(missing)
    scene.set_policy(notes=False)
    both, alone = ([f"{kind}{number}" for number in range(count)] for kind, count in (("b", 25), ("a", 50)))
    for id in alone:
        scene.arrive("outlook", id)
    for id in both:
        for side in SIDES:
            scene.arrive(side, id, to=tuple(ADDRESS.values()))
    scene.run(HOUR)
    assert scene.status.links == 25, "what came to both is linked without a password"
    assert scene.waiting() == [("outlook", "no client password")] * 50
    quiet = scene.requests()
    scene.run()
    before, written = scene.requests(), scene.world.effects
    quiet = before - quiet
    scene.give(GOOD)
    scene.run()
    asked = scene.requests() - before - quiet
    print(f"50 copies after a password: {asked} vendor requests and {quiet} of looks that come anyway")
    assert scene.is_equal(*both, *alone)
    assert (scene.status.links, scene.waiting()) == (75, [])
    assert scene.world.effects - written == 50
    assert asked <= 50 * 3 + 60, "the original, the APPEND and the listing that shows it, and one look at every folder"
    with scene.no_writes():
        scene.run(HOUR)


def test_what_a_person_has_put_there_meanwhile_is_found_however_deep_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mailbox, poll):
        monkeypatch.setattr(module, "PAGE", 5)
    scene = Mailbox(missing)
    scene.set_policy(notes=False)
    scene.arrive("outlook", "w")
    at = scene.world.now
    scene.run(QUARTER)
    for number in range(12):
        scene.arrive("dingtalk", f"m{number}")
    scene.run()
    scene.store.add("2", mail("w", to=(ADDRESS["outlook"],), at=at), received=at, read=False)
    scene.run(HOUR)
    written = scene.world.effects
    scene.give(GOOD)
    scene.run()
    assert scene.is_equal("w")
    assert (scene.waiting(), scene.status.links) == ([], 13)
    assert scene.world.effects == written


def test_more_than_a_page_of_what_waited_comes_over_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shut, "PAGE", 4)
    scene = Mailbox(wrong)
    ids = [f"m{number}" for number in range(18)]
    for id in ids:
        scene.arrive("outlook", id)
    scene.run(HOUR)
    scene.give(GOOD)
    scene.run()
    assert scene.is_equal(*ids)
    assert not scene.rows("shut")


@pytest.mark.parametrize("side", SIDES)
def test_new_mail_overtakes_what_waited(side: Side) -> None:
    scene = Mailbox(missing)
    for number in range(100):
        scene.arrive("outlook", f"m{number}")
    scene.run(HOUR)
    left: list[int] = []

    def look() -> None:
        if scene.is_equal("new"):
            left.append(100 + 1 - len(scene.box("dingtalk").messages()))
        else:
            scene.world.after(1.0, look)

    def come() -> None:
        scene.arrive(side, "new")

    scene.world.after(5.0, come)
    scene.world.after(6.0, look)
    scene.give(GOOD)
    scene.run()
    assert left[0] >= 50
    assert scene.waiting() == []


def test_a_password_that_is_refused_again_half_way_leaves_the_rest_waiting() -> None:
    scene = Mailbox(wrong)
    scene.switch(ends_sessions=True)
    ids = [f"m{number}" for number in range(30)]
    for id in ids:
        scene.arrive("outlook", id)
    scene.run(HOUR)
    landed = [0]

    def decide(world: World, kind: Kind, name: str) -> Fate:
        landed[0] += name.startswith("imap literal")
        scene.store.password_expired = landed[0] > 9
        return scene._fate(world, kind, name)

    scene.world.decide = decide
    scene.give(GOOD)
    scene.run(HOUR)
    assert scene.why == EXPIRED
    assert 0 < len(scene.waiting()) == 30 - len(scene.box("dingtalk").messages()) < 30
    assert scene.office.dingtalk.failed_logins.total() == 2
    scene.world.decide = scene._fate
    mended(scene)
    scene.run(HOUR)
    assert scene.is_equal(*ids)


def _quiet_hour(waiting: int) -> int:
    """Ledger calls in an hour in which nothing happens and so many messages wait."""
    scene = Mailbox(wrong)
    for number in range(waiting):
        scene.arrive("outlook", f"m{number}")
    scene.run(HOUR)
    assert len(scene.status.waiting) == waiting
    before = scene.calls["ledger"]
    scene.run(HOUR)
    return scene.calls["ledger"] - before


def test_what_waits_costs_nothing_however_much_it_is() -> None:
    assert _quiet_hour(60) <= _quiet_hour(4) * 1.02
