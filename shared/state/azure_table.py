"""The Table port on Azure's table storage.

Writes are never repeated by the library once they have left: the repeat of a conditional write whose first answer was
lost would find its own work and report a conflict, which says that nothing was written. Such a write raises
StoreUnavailable instead, which says that nobody knows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from itertools import count, takewhile
from typing import Any

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableClient, TableEntity, TableTransactionError, UpdateMode

from shared.model.errors import Conflict
from shared.ports.state import ANY, Entity, Op
from shared.state.azure import ONCE, READS, code, translated, transport
from shared.state.keys import decode_key, encode_key
from shared.state.limits import check_key, check_transaction

TABLE = "tandem"
"""The one table: its partitions are ours, so that they are listed by a walk along one index."""
ROLE = "Storage Table Data Contributor"
PIECE = 16_384
"""Characters of a property, at most 32,768 in UTF-16 (Azure)."""
WIDTH = 16
"""Reads in flight at once."""
PAGE = 1000
ETAG = 'W/"'

Write = tuple[str, Mapping[str, Any], dict[str, Any]]


class AzureTable:
    """All rows in the table `name` of the account at `url`, which is made when something is first written to it.

    Many keys are read one by one, side by side: a filter that names several has Azure walk through the partition."""

    def __init__(self, url: str, credential: TokenCredential, name: str = TABLE) -> None:
        self._clock = StoreClock()
        self._client = TableClient(
            url, name, credential=credential, transport=transport(), raw_response_hook=self._clock.note, **READS
        )
        self._threads = ThreadPoolExecutor(WIDTH, "table")

    def get(self, partition: str, keys: Sequence[str]) -> dict[str, Entity]:
        wanted = list(dict.fromkeys(keys))
        if len(wanted) < 2:
            found = [self._read(partition, key) for key in wanted]
        else:
            found = list(self._threads.map(lambda key: self._read(partition, key), wanted))
        return {entity.key: entity for entity in found if entity is not None}

    def _read(self, partition: str, key: str) -> Entity | None:
        with translated("the tables", ROLE):
            try:
                return _entity(self._client.get_entity(encode_key(partition), encode_key(key)))
            except ResourceNotFoundError:  # the row or the whole table
                return None

    def scan(self, partition: str, start: str, end: str, limit: int | None = None) -> Iterator[Entity]:
        """A page at a time: a row that is written while the caller goes through them may be shown or not."""
        if start >= end or limit == 0:
            return
        where = "PartitionKey eq @partition and RowKey ge @start and RowKey lt @end"
        names = {"partition": encode_key(partition), "start": encode_key(start), "end": encode_key(end)}
        left = limit
        for page in self._pages(where, names, PAGE if limit is None else min(limit, PAGE)):
            yield from map(_entity, page[:left])
            left = None if left is None else left - len(page)
            if left is not None and left <= 0:
                return

    def partitions(self, prefix: str) -> list[str]:
        """One look into the index for each partition, however many rows it has."""
        found: list[str] = []
        where, start, coded = "PartitionKey ge @start", encode_key(prefix), encode_key(prefix)
        while True:
            pages = self._pages(where, {"start": start}, 1, ["PartitionKey"])
            first = next((row for page in pages for row in page), None)
            if first is None or not first["PartitionKey"].startswith(coded):
                return found
            where, start = "PartitionKey gt @start", first["PartitionKey"]
            found.append(decode_key(start))

    def _pages(
        self, where: str, names: Mapping[str, str], size: int, columns: list[str] | None = None
    ) -> Iterator[list[TableEntity]]:
        query = self._client.query_entities(where, parameters=dict(names), results_per_page=size, select=columns)
        pages = query.by_page()
        while True:
            with translated("the tables", ROLE):
                try:
                    page = list(next(pages))
                except (StopIteration, ResourceNotFoundError):
                    return
            yield page

    def transact(self, partition: str, ops: Sequence[Op]) -> dict[str, str]:
        check_key(partition)
        values = check_transaction(ops)
        if any(op.if_match not in (None, "", ANY) and not str(op.if_match).startswith(ETAG) for op in ops):
            raise Conflict("a write expects a version that no row of this store ever had; nothing was written")
        left = dict(zip((op.key for op in ops), zip(ops, values, strict=True), strict=True))
        while left:
            done = self._submit([op for op, _ in left.values()], [_write(partition, *pair) for pair in left.values()])
            if isinstance(done, Op):
                del left[done.key]
                continue
            etags = zip(left.values(), done, strict=True)
            return {op.key: str(answer["etag"]) for (op, _), answer in etags if op.kind == "put"}
        return {}

    def _submit(self, ops: Sequence[Op], writes: Sequence[Write]) -> Sequence[Mapping[str, Any]] | Op:
        """-> an answer for each; or the delete on whose account nothing was done, since its row isn't there."""
        with translated("the tables", ROLE):
            try:
                return self._client.submit_transaction(writes, **ONCE)
            except HttpResponseError as error:
                if code(error) == "TableNotFound":
                    return self._submit_after_making(ops, writes)
                if (absent := _absent(error, ops)) is not None:
                    return absent
                if _is_conflict(error):
                    raise Conflict(
                        "a row has another version than the write expects; nothing was written", code=code(error)
                    ) from error
                raise

    def _submit_after_making(self, ops: Sequence[Op], writes: Sequence[Write]) -> Sequence[Mapping[str, Any]] | Op:
        try:
            self._client.create_table()
        except HttpResponseError as error:
            if code(error) != "TableAlreadyExists":  # somebody else was quicker
                raise
        return self._submit(ops, writes)

    def close(self) -> None:
        """End the connections that are kept."""
        self._threads.shutdown()
        self._client.close()

    def now(self) -> float:
        if not self._clock.known:
            self.get("now", ["now"])
        return self._clock.now()


class StoreClock:
    """The store's time by the Date of its answers. A Date is cut to whole seconds, so of all that were seen the one
    that puts the store furthest ahead is nearest to the truth, unless the store has set its clock back."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    @property
    def known(self) -> bool:
        return self._ahead is not None

    def note(self, response: Any) -> None:
        """Take the Date of an answer (azure-core: raw_response_hook)."""
        text = response.http_response.headers.get("Date")
        if text:
            ahead = parsedate_to_datetime(text).timestamp() - time.monotonic()
            if self._ahead is None or ahead > self._ahead or ahead < self._ahead - BACK:
                self._ahead = ahead

    def now(self) -> float:
        """Seconds since 1970, once an answer was seen."""
        return time.monotonic() + (self._ahead or 0.0)


BACK = 25.0
"""An answer that is older than this was not slow on its way: the store's clock went back."""


def _write(partition: str, op: Op, text: str) -> Write:
    row: dict[str, Any] = {"PartitionKey": encode_key(partition), "RowKey": encode_key(op.key)}
    row |= {f"v{number}": text[at : at + PIECE] for number, at in enumerate(range(0, len(text), PIECE))}
    condition: dict[str, Any] = {}  # the library sends If-Match: * unless it is told a version
    if op.if_match not in (None, "", ANY):
        condition = {"etag": op.if_match, "match_condition": MatchConditions.IfNotModified}
    if op.kind == "delete":
        return "delete", row, condition
    if op.if_match == "":
        return "create", row, {}
    return "upsert" if op.if_match is None else "update", row, {"mode": UpdateMode.REPLACE, **condition}


def _entity(row: TableEntity) -> Entity:
    text = "".join(row[name] for name in takewhile(row.__contains__, (f"v{number}" for number in count())))
    return Entity(decode_key(row["RowKey"]), json.loads(text), str(row.metadata["etag"]))


def _absent(error: HttpResponseError, ops: Sequence[Op]) -> Op | None:
    """The delete without a condition that failed since its row isn't there, for which Azure fails the transaction."""
    if error.status_code != 404 or not isinstance(error, TableTransactionError) or error.index >= len(ops):
        return None
    op = ops[error.index]
    return op if op.kind == "delete" and op.if_match is None else None


CONFLICTS = {
    "EntityAlreadyExists",
    "UpdateConditionNotSatisfied",
    "ConditionNotMet",
    "ResourceNotFound",
    "EntityNotFound",
}


def _is_conflict(error: HttpResponseError) -> bool:
    return code(error) in CONFLICTS or error.status_code == 412
