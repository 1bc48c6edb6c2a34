"""The gate that every login passes: what several processes know of one mailbox's password by a row alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from shared.dingtalk.logins import AGAIN, MOST, PAUSES, Alone, Logins
from shared.dingtalk.refusals import greeting, no_password, refusal
from shared.model.errors import NoClientPassword, StoreUnavailable, TandemError, Unavailable
from shared.model.shut import EXPIRED, MISSING, OFF, REFUSED, WHYS, Why
from shared.ports.state import Op
from tests.support.table import Crash, TimedTable

PAIR = "pair:mail"


class Unsure(TimedTable):
    """`dead`: no commit is made and no answer comes."""

    dead = False

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        if self.dead:
            raise StoreUnavailable("no answer")
        return super().transact(partition, ops)


class Mailbox:
    """At DingTalk, and the processes that know it by a password each. `kept`: what stands in the vault. `say`: what
    comes of a login; None when it is let in."""

    def __init__(self, folder: Path) -> None:
        self.table = Unsure(folder / "table.db")
        self.kept = "good"
        self.tried: list[str] = []
        self.say: Callable[[str], TandemError | None] = lambda password: (
            None if password == "good" else no_password(REFUSED)
        )

    def process(self, password: str, person: bool = False, again: bool = False) -> Logins:
        return Logins(self.table, PAIR, password, lambda: self.kept, nullcontext(), person=person, again=again)

    def log_in(self, gate: Logins, password: str) -> str:
        """-> what came of it, as its error says."""

        def login() -> None:
            self.tried.append(password)
            if (error := self.say(password)) is not None:
                raise error

        try:
            gate.look()
            gate.enter(login)
        except TandemError as error:
            return error.code
        return "in"

    def knock(self, password: str, **how: bool) -> str:
        """A new process tries."""
        return self.log_in(self.process(password, **how), password)


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path)


def lost(password: str) -> TandemError:
    return Unavailable("no answer", code="lost")


def test_a_refused_password_is_tried_once_whichever_process_asks(mailbox: Mailbox) -> None:
    mailbox.kept = "bad"
    for _ in range(4):
        assert mailbox.knock("bad") == REFUSED
        mailbox.table.time += 1e7
    assert mailbox.tried == ["bad"]


def test_a_good_one_is_tried_at_every_new_connection(mailbox: Mailbox) -> None:
    assert [mailbox.knock("good") for _ in range(3)] == ["in"] * 3
    assert mailbox.tried == ["good"] * 3


def test_one_that_was_good_and_is_refused_is_tried_no_more(mailbox: Mailbox) -> None:
    mailbox.knock("good")
    mailbox.say = lambda password: no_password(EXPIRED)
    assert [mailbox.knock("good") for _ in range(3)] == [EXPIRED] * 3
    assert len(mailbox.tried) == 2


def test_an_old_password_that_a_process_still_has_is_not_tried(mailbox: Mailbox) -> None:
    mailbox.knock("good")
    assert mailbox.knock("old") == "imap_changed"
    mailbox.kept = ""
    assert mailbox.knock("old") == MISSING
    assert mailbox.tried == ["good"]


def test_a_process_with_a_refused_password_notices_that_another_one_is_kept(mailbox: Mailbox) -> None:
    mailbox.kept = "bad"
    assert mailbox.knock("bad") == REFUSED
    mailbox.kept = "good"
    assert mailbox.knock("bad") == "imap_changed"
    assert mailbox.knock("good") == "in"


def test_what_was_refused_stays_so_when_another_one_was_good_in_between(mailbox: Mailbox) -> None:
    for kept in ("bad", "good", "bad"):
        mailbox.kept = kept
        mailbox.knock(kept)
    assert mailbox.tried == ["bad", "good"]


def test_of_many_refused_passwords_the_latest_are_remembered(mailbox: Mailbox) -> None:
    for number in [*range(MOST + 3), MOST + 2, 3]:
        mailbox.kept = f"bad{number}"
        assert mailbox.knock(mailbox.kept) == REFUSED
    assert len(mailbox.tried) == MOST + 3


# ---- at the same time
def test_while_one_process_signs_in_no_other_does(mailbox: Mailbox) -> None:
    others: list[str] = []

    def say(password: str) -> TandemError:
        others.append(mailbox.knock("good"))
        return no_password(REFUSED)

    mailbox.say = say
    assert mailbox.knock("good") == REFUSED
    assert others == ["imap_busy"]
    assert mailbox.tried == ["good"]


def test_who_looked_before_the_refusal_doesnt_try_after_it(mailbox: Mailbox) -> None:
    mailbox.kept = "bad"
    slow = mailbox.process("bad")
    slow.look()
    mailbox.knock("bad")
    with pytest.raises(NoClientPassword):
        slow.enter(lambda: pytest.fail("it was tried"))


def test_connections_of_one_process_sign_in_one_after_the_other(mailbox: Mailbox) -> None:
    gate = Logins(mailbox.table, PAIR, "bad", lambda: "bad", threading.Lock())
    threads = [threading.Thread(target=mailbox.log_in, args=(gate, "bad")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mailbox.tried == ["bad"]


# ---- when nobody knows what came of it
def test_a_process_that_dies_between_the_refusal_and_its_row_costs_one_more_login(mailbox: Mailbox) -> None:
    mailbox.kept = "bad"
    mailbox.table.crash_after = 1
    with pytest.raises(Crash):
        mailbox.knock("bad")
    mailbox.table.crash_after = None
    assert mailbox.knock("bad") == "imap_busy", "it may be at it still"
    mailbox.table.time += 600.0
    assert [mailbox.knock("bad") for _ in range(3)] == [REFUSED] * 3
    assert mailbox.tried == ["bad"] * 2


def test_processes_that_die_at_every_login_try_more_and_more_seldom(mailbox: Mailbox) -> None:
    for _ in range(24 * 60):
        mailbox.table.crash_after = 1
        with suppress(Crash):
            mailbox.knock("good")
        mailbox.table.time += 60.0
    assert len(PAUSES) < len(mailbox.tried) <= 24 * 4 + len(PAUSES)


def test_a_login_without_an_answer_is_no_refusal_and_is_repeated_later(mailbox: Mailbox) -> None:
    mailbox.say = lost
    assert mailbox.knock("good") == "lost"
    assert mailbox.knock("good") == "imap_pause"
    mailbox.table.time += PAUSES[0]
    mailbox.say = lambda password: None
    assert mailbox.knock("good") == "in"
    assert mailbox.knock("good") == "in", "it is forgotten"


def test_a_refusal_that_can_not_be_written_is_held_until_it_can(mailbox: Mailbox) -> None:
    mailbox.kept = "bad"
    gate = mailbox.process("bad")

    def say(password: str) -> TandemError:
        mailbox.table.dead = True
        return no_password(REFUSED)

    mailbox.say = say
    assert mailbox.log_in(gate, "bad") == REFUSED
    with pytest.raises(StoreUnavailable):
        gate.look()
    mailbox.table.dead = False
    assert mailbox.log_in(gate, "bad") == REFUSED
    assert mailbox.knock("bad") == REFUSED
    assert mailbox.tried == ["bad"]


def test_where_the_row_can_not_be_written_nobody_signs_in(mailbox: Mailbox) -> None:
    mailbox.table.dead = True
    assert mailbox.knock("good") == ""
    assert mailbox.tried == []


# ---- people
def test_a_person_tries_what_was_not_refused_as_wrong(mailbox: Mailbox) -> None:
    assert [mailbox.knock("bad", person=True) for _ in range(2)] == [REFUSED] * 2
    assert mailbox.tried == ["bad"], "by mistake nobody gets the account locked"
    mailbox.say = lambda password: None
    assert mailbox.knock("bad", person=True, again=True) == "in"


@pytest.mark.parametrize("why", [EXPIRED, OFF])
def test_a_person_may_try_the_same_one_where_it_was_not_the_password(mailbox: Mailbox, why: Why) -> None:
    mailbox.say = lambda password: no_password(why)
    assert mailbox.knock("good") == why
    mailbox.say = lambda password: None
    assert mailbox.knock("good") == why, "by itself it isn't tried again"
    assert mailbox.knock("good", person=True) == "in"
    assert mailbox.knock("good") == "in"


def test_a_server_that_says_before_any_login_that_imap_is_off_is_left_alone_for_a_while(mailbox: Mailbox) -> None:
    mailbox.process("good").closed(no_password(OFF))
    assert mailbox.knock("good") == OFF
    assert mailbox.knock("good", person=True) == "in"
    mailbox.process("good").closed(no_password(OFF))
    mailbox.table.time += AGAIN
    assert mailbox.knock("good") == "in"


def test_a_password_that_nobody_keeps_is_tried_once_too() -> None:
    gate, tried = Alone(), []

    def login() -> None:
        tried.append(1)
        raise no_password(REFUSED)

    for _ in range(3):
        with pytest.raises(NoClientPassword):
            gate.enter(login)
    assert len(tried) == 1


# ---- what servers say
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("LOGIN failed", REFUSED),
        ("[AUTHENTICATIONFAILED] Invalid credentials", REFUSED),
        ("the account is locked", REFUSED),
        ("", REFUSED),
        ("[EXPIRED] password", EXPIRED),
        ("your client password has expired", EXPIRED),
        ("客户端密码已过期", EXPIRED),
        ("IMAP service is disabled for this account", OFF),
        ("third-party clients are not allowed", OFF),
        ("您的账号未开启IMAP服务", OFF),
        ("[UNAVAILABLE] try later", "imap_login"),
        ("[INUSE] too many connections", "imap_login"),
        ("[UNAVAILABLE] too many failed attempts, account locked", REFUSED),
        ("[LIMIT] too many logins", REFUSED),
    ],
)
def test_a_refusal_is_what_the_server_says_and_in_doubt_a_wrong_password(said: str, why: str) -> None:
    error = refusal(said)
    assert error.code == why
    assert isinstance(error, NoClientPassword) == (why in WHYS)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("* BYE IMAP is disabled", OFF),
        ("* BYE too many connections", "imap_greeting"),
        ("HTTP/1.1 400", "imap_greeting"),
    ],
)
def test_a_greeting_that_lets_nobody_try_is_an_outage_unless_it_says_that_imap_is_off(said: str, code: str) -> None:
    assert greeting(said).code == code


@pytest.mark.parametrize("why", WHYS)
def test_every_error_says_what_to_do(why: Why) -> None:
    assert "tandem pair password" in str(no_password(why))
