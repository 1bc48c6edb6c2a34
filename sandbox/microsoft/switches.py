"""What is not known for certain about the vendor, or differs between tenants: each a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Switches:
    """Probabilities are in [0, 1], durations in seconds. The defaults are a calm, complete, present-day tenant."""

    token_life: int = 3599

    # Writing (contract: mail import, ids, delete, receipts)
    advanced_write_required: bool = False
    """Content of a message that isn't a draft can be PATCHed only with the role Mail-Advanced.ReadWrite.All."""
    advanced_covers_create: bool = False
    """The same role is needed to POST a message that isn't a draft."""
    advanced_covers_attachments: bool = False
    """The same role is needed to add or remove attachments of a message that isn't a draft."""
    upload_state_readable: bool = True
    """A GET of an upload session's URL tells how far it came."""
    attachment_overhead: int = 0
    """Bytes of the store's own that the size of an attachment counts in."""
    largest_message: int = 200 * 1024 * 1024
    """Bytes; what administrators set for their mailboxes."""
    keeps_internet_message_id: bool = True
    accepts_foreign_from: bool = True
    """Off: a message made by POST gets the mailbox owner as `from` and `sender`."""
    stores_transport_headers: bool = False
    """`String 0x007D` given to a POST is kept."""
    copy_keeps_key: bool = True
    """Named extended properties survive a copy."""
    delete_lands_in: Literal["deleteditems", "recoverable"] = "deleteditems"
    if_match_on_move: bool = False
    archive_absent: bool = False
    """The archive folder comes into being at its first use; until then its well-known name is not found."""
    well_known_refusal: Literal[400, 403] = 403
    """Status for renaming, moving or deleting a well-known folder."""
    read_sends_receipt: bool = True
    trash_sends_receipt: bool = False
    """Moving an unread message that asks for a receipt to the trash sends "not read"."""
    quota_status: Literal[403, 507] = 507

    # Reading
    list_lag: float = 0.0
    """Listings, filters and delta follow the store after a random lag of up to this."""
    get_stale: float = 0.0
    """A read by id may show the state before the last change for this long."""
    glitch_404: float = 0.0
    """Probability that a read by id answers 404 for `glitch_seconds` although the message is there."""
    glitch_seconds: float = 45.0

    largest_mime: int | None = None
    """Bytes over which `$value` of a message is refused. No limit is documented."""

    # Delta
    delta_replay: float = 0.0
    """Probability that a round repeats up to three of the changes that an earlier one has shown."""
    delta_duplicate: float = 0.0
    delta_false_tombstone: float = 0.0
    delta_sparse: float = 0.0
    """Probability that an updated message comes with no more than the members that changed."""
    delta_empty_page: float = 0.0
    delta_reason_changed: float = 0.0
    """Probability that a removal says "changed" instead of "deleted"."""
    delta_token_life: float | None = None
    delta_expiry: Literal["SyncStateNotFound", "SyncStateInvalid", "ResyncRequired", "syncStateNotFound"] = (
        "SyncStateNotFound"
    )
    delta_expiry_status: Literal[400, 410] = 410
    delta_expiry_location: bool = False
    """An expired token's answer carries a Location with an empty token."""
    delta_deleted_folder: Literal["ErrorSyncFolderNotFound", "ErrorItemNotFound"] = "ErrorItemNotFound"
    delta_filter_cap: int = 5000
    folder_delta_hidden: bool = False

    # Subscriptions
    subscription_conflict: bool = True
    """A second subscription to the same resource and change types is refused with 409."""
    notification_delay: float = 0.0
    notification_lost: float = 0.0
    notification_duplicate: float = 0.0
    reauthorize_after: float | None = None
    """A subscription asks for reauthorization this long after it was made, renewed or reauthorized."""

    # Limits per app and mailbox
    concurrent: int = 4
    requests_per_10_minutes: int = 10_000
    upload_per_5_minutes: int = 150 * 1024 * 1024
