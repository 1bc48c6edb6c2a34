"""A version of Tandem that knows shapes of rows which this one doesn't: two more steps, made for tests."""

from __future__ import annotations

from collections.abc import Iterator

from shared.ports.state import Op, Table
from shared.sync.rows import LINK, after
from shared.sync.schema import SCHEMA, STEPS, Schema

NOW, NEXT, LATEST = (SCHEMA.version + steps for steps in range(3))
"""The versions of SCHEMA, NEWER and NEWEST."""
OLD, NEW, SHADOW = "zz:old:", "zz:new:", "zz:link:"


def rename(table: Table, partition: str) -> Iterator[Op]:
    """`zz:old:<n>` becomes `zz:new:<n>`."""
    for row in list(table.scan(partition, OLD, after(OLD))):
        yield Op("put", NEW + row.key[len(OLD) :], row.value)
        yield Op("delete", row.key)


def shadow(table: Table, partition: str) -> Iterator[Op]:
    """Each link gets a row of its own beside it."""
    done = {row.key[len(SHADOW) :] for row in table.scan(partition, SHADOW, after(SHADOW))}
    for row in table.scan(partition, LINK, after(LINK)):
        if (key := row.key[len(LINK) :]) not in done:
            yield Op("put", SHADOW + key, {})


NEWER = Schema((*STEPS, rename))
NEWEST = Schema((*STEPS, rename, shadow))
