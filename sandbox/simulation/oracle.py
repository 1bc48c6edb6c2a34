"""What must be true, told without any knowledge of the product: it sees what people do, when the product's writes were
under way, both mailboxes, and the rows of the ledger as plain JSON."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.simulation.folder_oracle import FolderOracle
from sandbox.truth import Mailbox, Stored

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class Edit:
    """`agreed`: what both sides had last agreed on when it was made. `called`: what a folder's value was called then;
    it may be called otherwise later, or be no more."""

    side: str
    field: str
    value: Any
    at: float
    agreed: tuple[Any, ...]
    called: Any
    superseded: bool = False


@dataclass(slots=True)
class Group:
    """All messages of one identity: a Message-ID, sent or received. There should be one on each side, but for a side
    that did not have it yet (`never`) when the other trashed it."""

    twins: bool = False
    origin: Counter[str] = field(default_factory=Counter)
    trashed: int = 0
    never: set[str] = field(default_factory=set)
    edits: list[Edit] = field(default_factory=list)
    history: list[str] = field(default_factory=list)


class Oracle:
    """`boxes` by side; `rows` gives the ledger's rows as they stand. `violations`: (invariant, what happened to the
    item, in words)."""

    def __init__(self, boxes: dict[str, Mailbox], now: Callable[[], float], rows: Callable[[], Rows]) -> None:
        self._boxes, self._now, self._rows = boxes, now, rows
        self.folders = FolderOracle(boxes, now, rows, self.fail)
        self.groups: dict[tuple[str, bool], Group] = {}
        self.violations: list[tuple[str, str]] = []

    def fail(self, invariant: str, text: str) -> None:
        self.violations.append((invariant, text))

    # ---- told by people
    def arrived(self, side: str, message_id: str, sent: bool, twins: bool) -> None:
        group = self.groups.setdefault((message_id, sent), Group())
        group.twins = group.twins or twins
        group.origin[side] += 1
        group.history.append(f"{self._now():.1f} arrives on {side}")

    def edited(self, side: str, item: Stored, field: str, value: Any) -> None:
        """An edit supersedes earlier ones of its field that its author could see. What is done to the extra one of two
        equal messages once it lies in the trash concerns nobody else."""
        group, old = self._group(side, item), self._shown(side, item, field)
        if group.twins and self.place(side, item) == "trash":
            return
        for edit in group.edits:
            if edit.field == field and (edit.side == side or self._called(field, edit.value) == old):
                edit.superseded = True
        agreed, called = self._agreed(item, field), self._called(field, value)
        group.edits.append(Edit(side, field, value, self._now(), agreed, called, superseded=called in agreed))
        group.trashed += value == "trash"
        if value == "trash" and not any(i.message_id == item.message_id for i in self._boxes[other(side)].messages()):
            group.never.add(other(side))
        group.history.append(f"{self._now():.1f} {side} {field}: {old} -> {value}")

    def _called(self, field: str, value: Any) -> Any:
        return self.folders.now_called(value) if field == "folder" else value

    def _agreed(self, item: Stored, field: str) -> tuple[Any, ...]:
        """An edit back to what both sides last agreed on is no change to anyone who did not see what was between; the
        same goes for the state in which a message was delivered, while nothing links it yet: a copy under way may come
        to nothing, and the two be matched."""
        rows, agreed, linked = self._rows(), list[Mapping[str, Any]](), False
        ids = {i.id for box in self._boxes.values() for i in box.messages() if i.message_id == item.message_id}
        for key, row in rows.items():
            if key.startswith("l:") and ids & {row["outlook"]["id"], row["dingtalk"]["id"]}:
                agreed.append(row["base"])
                linked = True
            elif key.startswith("i:") and row["kind"] == "create" and row["source"] in ids:
                agreed.append(row["state"])
        delivered = {"read": False, "flag": "none", "folder": "inbox"}
        return tuple(base[field] for base in (agreed if linked else [*agreed, delivered]))

    def _shown(self, side: str, item: Stored, field: str) -> Any:
        return self.place(side, item) if field == "folder" else getattr(item, field)

    def _group(self, side: str, item: Stored) -> Group:
        received, sent = self.groups.get((item.message_id, False)), self.groups.get((item.message_id, True))
        if received is None or sent is None:
            group = received or sent
            assert group is not None
            return group
        return sent if self._is_sent(side, item) else received

    def _is_sent(self, side: str, item: Stored) -> bool:
        """A mailbox may hold both the sent and the received copy of one mail; people leave those two where they are."""
        return item.folder == self._boxes[side].role("sent")

    def is_ambiguous(self, item: Stored) -> bool:
        """Are there, or may there come, two of it in one mailbox? People leave those where they are."""
        both = [self.groups.get((item.message_id, sent)) for sent in (True, False)]
        return all(both) or any(group.twins for group in both if group)

    def place(self, side: str, item: Stored) -> str:
        return self.folders.place(side, item.folder)

    # ---- at the end
    def check(self, rows: Rows, windows: list[tuple[str, float, float]]) -> None:
        overwritten = self._overwritten(rows)
        with self.folders.as_of(rows):
            self._check_all(rows, windows, overwritten)
            self.folders.check(rows, windows)

    def _check_all(
        self, rows: Rows, windows: list[tuple[str, float, float]], overwritten: set[tuple[str, Any]]
    ) -> None:
        held: dict[str, dict[tuple[str, bool], list[Stored]]] = {}
        for side, box in self._boxes.items():
            held[side] = {}
            for item in box.messages():
                for identity, group in self.groups.items():
                    if identity[0] == item.message_id and self._group(side, item) is group:
                        held[side].setdefault(identity, []).append(item)
        for identity, group in self.groups.items():
            sides = {side: held[side].get(identity, []) for side in held}
            self._check_group(identity, group, sides)
            self._check_edits(identity, group, sides, overwritten, windows)
        self._check_rows(rows)

    def _check_group(self, identity: tuple[str, bool], group: Group, sides: dict[str, list[Stored]]) -> None:
        story = f"{identity[0]} {'sent' if identity[1] else 'received'}; " + "; ".join(group.history)
        live = {side: [i for i in items if self.place(side, i) != "trash"] for side, items in sides.items()}
        story += f"; now { ({s: [self._state(s, i) for i in items] for s, items in sides.items()}) }"
        for side, items in sides.items():
            if not items and side in group.never:
                return
            if not items:
                self.fail("lost", f"{side}: {story}")
            if len(live[side]) > 1 or (len(items) > 1 and not group.twins):
                self.fail("doubled", f"{side}: {story}")
            if not live[side] and not group.trashed:
                self.fail("trashed by nobody", f"{side}: {story}")
        states = {side: sorted(self._state(side, i) for i in live[side] or sides[side]) for side in sides}
        one, two = states.values()
        if one != two and not (group.twins and not (any(live.values()))):
            self.fail("differs", story)

    def _state(self, side: str, item: Stored) -> tuple[str, bool, str, tuple[tuple[str, str], ...]]:
        return self.place(side, item), item.read, item.flag, tuple((a.name, a.sha256) for a in item.attachments)

    def _check_edits(
        self,
        identity: tuple[str, bool],
        group: Group,
        sides: dict[str, list[Stored]],
        overwritten: set[tuple[str, Any]],
        windows: list[tuple[str, float, float]],
    ) -> None:
        """Nobody's edit is neither on both sides nor in the journal. An edit that fell between our read and our write,
        at a vendor without a version check, can't be seen by anyone."""
        for edit in group.edits:
            value = self._called(edit.field, edit.value)
            if group.never or edit.superseded or value in edit.agreed:
                continue
            if {(edit.field, value), (edit.field, edit.called)} & overwritten:
                continue
            if all(any(self._shown(s, i, edit.field) == value for i in items) for s, items in sides.items()):
                continue
            if any(side == edit.side and start - 4 <= edit.at <= end for side, start, end in windows):
                continue
            self.fail("edit lost", f"{identity[0]} {edit}; " + "; ".join(group.history))

    def _check_rows(self, rows: Rows) -> None:
        for key, value in rows.items():
            if key.startswith("i:"):
                self.fail("open intent", f"{key} {value}")
            if key[:2] in ("d:", "o:") and f"l:{value['link']}" not in rows:
                self.fail("orphan", f"{key} points to no link")
            if key.startswith("l:"):
                self._check_link(value)
        head = ""
        entries = sorted((k for k in rows if k.startswith("j:")), key=lambda k: k.rsplit(":", 1)[1])
        for key in entries:
            if rows[key]["prev"] != head:
                self.fail("journal", f"{key} does not follow the row before it")
            head = hashlib.sha256(json.dumps(rows[key], sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def _check_link(self, link: Mapping[str, Any]) -> None:
        for side, box in self._boxes.items():
            if link["gone"] != side and link[side]["id"] not in {m.id for m in box.messages()}:
                self.fail("orphan", f"a link points to nothing on {side}")

    def _overwritten(self, rows: Rows) -> set[tuple[str, Any]]:
        """Field and value of everything that the journal says was overwritten; folders by their names."""
        found: set[tuple[str, Any]] = set()
        for key, row in rows.items():
            if key.startswith("j:") and row["what"] == "overwritten":
                detail = row["detail"]
                found.update([(detail["field"], detail["value"])] if "field" in detail else detail.items())
        return found


def other(side: str) -> str:
    return "outlook" if side == "dingtalk" else "dingtalk"
