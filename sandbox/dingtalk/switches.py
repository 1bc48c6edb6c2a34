"""What is not known for certain about the vendor: each a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Switches:
    """Probabilities are in [0, 1], durations in seconds. The defaults are a calm mailbox of the paid edition."""

    token_life: int = 3600
    rate: float | None = 40.0
    """Requests a second for the whole mail domain; None lifts the limit."""
    retry_after: bool = True
    """A 429 says how long to wait."""
    error_on_200: bool = False
    """Refusals come with status 200 and `detailErrorCode` in the body."""

    # Users
    user_wrapped: bool = False
    """The answer to a read of a user is `{user: {…}}` instead of the user."""
    tells_forwarding: bool = True
    """The mailbox's settings can be read, and say where it forwards to."""

    # Ids, listings, reads
    move_keeps_id: bool = True
    lastmod_on_flag: bool = True
    delete_twice_noop: bool = True
    list_lag: float = 0.0
    """Listings and counters follow the store after a random lag of up to this."""
    search_lag: float = 0.0
    get_stale: float = 0.0
    """A read by id may show the state before the last change for this long."""
    glitch_404: float = 0.0
    """Probability that a read by id answers 404 for `glitch_seconds` although the message is there."""
    glitch_seconds: float = 45.0
    headers_in_list: bool = True
    body_in_list: bool = False
    size_as_string: bool = False
    brackets_on_message_id: bool = True
    batch_partial: Literal["skip", "refuse"] = "skip"
    """What a batch call does with an id that isn't there."""

    # Folders
    folder_parent_key: Literal["folderId", "folerId", "folder"] = "folderId"
    folder_keeps_id: bool = True
    """A moved folder keeps its id; off: it and what lies below it have others afterwards."""
    folder_delete: Literal["empties", "under_trash", "refuses"] = "empties"
    """A deleted folder's messages go into the trash; or it goes there itself, with everything in it; or it is refused
    while anything is in it."""
    system_takes_folders: bool = True
    equal_names: bool = False
    """Two folders in one place may have the same name."""
    folder_name_length: int = 255

    tag_routes: bool = False
    """A person's own tags can be listed over REST."""

    # Attachments
    stream: Literal["relative", "absolute", "json"] = "relative"
    """How `$value` points to the stream: a 302 with a relative or absolute Location, or 200 with {location}."""
    shows_rfc822: bool = False
    """Attached messages are listed as attachments; `hasAttachments` counts them in any case."""

    stream_once: bool = False
    """A stream can be read once."""

    # IMAP
    greeting_address: str = ""
    """What follows the greeting without a blank, like "(10.0.0.1)"."""
    appenduid: bool = True
    honours_internaldate: bool = True
    flagged_maps_to: Literal["none", "1", "11"] = "none"
    """The tag that is IMAP's flag; none: the flag is IMAP's own."""
    refuses_bare_lf: bool = True
    max_append: int = 50 * 1024 * 1024
    refuses_large_early: bool = False
    """What is over that is refused by its size, before it is sent."""
    append_rules: bool = False
    """A rule that forwards or answers mail runs on an APPENDed message: counted as mail sent."""
    tells_why: bool = True
    """A refused login says whether the client password has expired or IMAP is off; else it says no more than that it
    failed."""
    imap_off: Literal["no", "greeting", "disabled", "login"] = "no"
    """IMAP is switched off for the organisation, which is said by the greeting, by the capability LOGINDISABLED or by a
    refused login."""
    ends_sessions: bool = False
    """Who signed in with a password that wouldn't be taken any more is thrown out at the next command."""
    append_files_into: str = ""
    """The name of the folder into which a rule moves each APPENDed message; none: no rule does."""
    lockout_after: int | None = None
    """After so many refused logins the account takes no password at all."""

    # Receipts
    read_sends_receipt: bool = True
    trash_sends_receipt: bool = False
