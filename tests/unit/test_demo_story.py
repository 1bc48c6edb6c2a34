"""The letters, the post and the story of the demo."""

from __future__ import annotations

import random
from collections import Counter
from email import message_from_bytes, policy

import pytest

from sandbox.demo.compare import places
from sandbox.demo.files import pdf, png, xlsx
from sandbox.demo.letters import LETTERS, Envelope, compose
from sandbox.demo.office import Office, Person, furnish
from sandbox.demo.post import Post
from sandbox.demo.story import CHANGES, MAILINGS, STORY
from sandbox.demo.watch import Watcher
from sandbox.microsoft import Microsoft365


def people(count: int = 1) -> list[Person]:
    vendor = Microsoft365(
        clock=lambda: 1_790_000_000.0, random=random.Random(1), tenant_id="t", client_id="c", client_secret="s"
    )
    found = []
    for number in range(count):
        outlook, dingtalk = (vendor.add_mailbox(f"p{number}@{place}.example") for place in ("office", "factory"))
        found.append(Person(f"Person {number}", {"outlook": outlook, "dingtalk": dingtalk}))
        furnish(found[-1])
    return found


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_travels_whole(name: str) -> None:
    letter = LETTERS[name]
    envelope = Envelope(("陳敏", "chan@office.example"), [("李娜", "li@supplier.example")], [], 7, 1_790_000_000.9)
    mime = compose(letter, envelope)
    assert b"\n" not in mime.replace(b"\r\n", b"")
    mail = message_from_bytes(mime, policy=policy.default)
    assert mail["subject"] == letter.subject
    assert mail["from"].addresses[0].display_name == "陳敏"
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == letter.text.splitlines()
    files = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    assert files == {a.name: a.content for a in letter.attachments}
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert [part["content-id"] for part in pictures] == (["<picture>"] if letter.picture else [])


def test_the_files_say_what_they_are() -> None:
    assert pdf("x").startswith(b"%PDF-1.4")
    assert xlsx("x").startswith(b"PK")
    assert png(1, 2, 3).startswith(b"\x89PNG")
    assert pdf("x") == pdf("x") != pdf("y")
    assert xlsx("x") == xlsx("x") != xlsx("y")


def test_the_post_leaves_a_sent_copy_and_reaches_each_account_once() -> None:
    (person,) = people()
    outlook, dingtalk = person.boxes["outlook"], person.boxes["dingtalk"]
    post = Post({outlook.address: outlook, dingtalk.address: dingtalk})
    own, twin = ("P", outlook.address), ("P", dingtalk.address.upper())
    mime = compose(LETTERS["note"], Envelope(own, [own, twin], [own, ("Q", "q@elsewhere.example")], 1, 0.0))
    done = post.send(mime)
    assert [(d.address, d.sent) for d in done] == [(own[1], True), (own[1], False), (dingtalk.address, False)]
    place = places(outlook)
    assert {(place[m.folder], m.read) for m in outlook.messages()} == {("sent", True), ("inbox", False)}
    assert [d.address for d in post.send(mime, undelivered=[own[1]])] == [own[1], dingtalk.address]


def test_the_story_uses_known_verbs_and_letters_and_touches_nothing_before_it_came() -> None:
    come: set[str] = set()
    for scene in STORY:
        touched = Counter((act.side, act.letter) for act in scene.acts)
        assert set(touched.values()) == {1}
        for act in scene.acts:
            assert act.letter in LETTERS
            assert (act.verb in MAILINGS) != (act.verb in CHANGES)
            assert (act.letter in come) == (act.verb in CHANGES)
        come |= {act.letter for act in scene.acts}
    assert come == set(LETTERS)


def test_two_people_make_at_least_thirty_copies_each_way_and_thirty_changes() -> None:
    folk = people(2)
    watcher = Watcher({p.name: p.boxes for p in folk}, lambda: 0, lambda address: ())
    office = Office(folk, watcher, hold=3.0)
    for act in (act for scene in STORY[:4] for act in scene.acts):
        for person in folk:
            office.act(person, act)
    kinds = Counter((line.kind, line.side) for line in watcher.lines)
    assert kinds["copy", "outlook"] >= 30
    assert kinds["copy", "dingtalk"] >= 30
    assert kinds["twin", "outlook"] == kinds["twin", "dingtalk"] == 2
    assert kinds["held", "outlook"] == kinds["held", "dingtalk"] == 2
    changes = sum(act.verb in CHANGES for scene in STORY for act in scene.acts)
    assert changes * 2 >= 30
    for person in folk:
        assert office.made[person.name].total() == len({(line.identity) for line in watcher.lines}) / 2


def test_mail_to_oneself_and_to_the_other_account_makes_two_items_each() -> None:
    (person,) = people()
    office = Office([person], Watcher({}, lambda: 0, lambda address: ()), hold=3.0)
    for act in STORY[2].acts:
        office.act(person, act)
    made = office.made[person.name]
    assert len(made) == made.total() == 8
    assert sum(sent for _, sent in made) == 4


def test_an_act_on_what_never_crossed_is_left_out() -> None:
    (person,) = people()
    watcher = Watcher({person.name: person.boxes}, lambda: 0, lambda address: ())
    office = Office([person], watcher, hold=3.0)
    office.act(person, STORY[0].acts[1])  # comes to DingTalk
    before = len(watcher.lines)
    letter = STORY[0].acts[1].letter
    office.act(person, type(STORY[0].acts[0])("outlook", "reads", letter))
    assert len(watcher.lines) == before
