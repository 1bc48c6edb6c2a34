"""The members of Graph's answers that anything is made of (Graph: message, mailFolder)."""

from __future__ import annotations

from shared.model.answers import Must
from shared.outlook.mapping import OF_GRAPH

RECIPIENT = {"emailAddress": {"address": str, "name": str}}
_FLAG = {"flagStatus": Must(frozenset(OF_GRAPH))}

ROW = {
    "isRead": Must(bool),
    "flag": Must(_FLAG),
    "receivedDateTime": Must(str),
    "categories": Must([str]),
    "parentFolderId": str,
    "internetMessageId": str,
}
"""A row of a delta that shows all of the state; what it leaves out is unknown."""

ITEM = {
    **ROW,
    "id": Must(str),
    "parentFolderId": Must(str),
    "receivedDateTime": str,
    "subject": str,
    "from": RECIPIENT,
    "toRecipients": [RECIPIENT],
    "ccRecipients": [RECIPIENT],
    "isDraft": bool,
    "isReadReceiptRequested": bool,
    "importance": str,
    "changeKey": str,
    "@odata.etag": str,
    "singleValueExtendedProperties": [{"id": Must(str), "value": Must(str)}],
}
"""A message as read by id, or found."""

FOLDER = {"id": Must(str), "displayName": str, "childFolderCount": int, "isHidden": bool, "@odata.type": str}
