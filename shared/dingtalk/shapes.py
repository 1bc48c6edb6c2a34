"""The members of Alimail's answers that anything is made of (Alimail: folders, messages, attachments, semantics)."""

from __future__ import annotations

from shared.model.answers import Must

_RECIPIENT = {"email": str, "name": str}
_HEADERS = {"*": (str, [str])}

ROW = {
    "id": Must(str),
    "folderId": str,
    "isRead": bool,
    "tags": [str],
    "receivedDateTime": str,
    "sentDateTime": str,
    "internetMessageId": str,
    "internetMessageHeaders": _HEADERS,
    "size": (int, str),
}
"""In a listing, which shows the default set or what $select asks for."""

ITEM = {
    **ROW,
    "folderId": Must(str),
    "isRead": Must(bool),
    "subject": str,
    "from": _RECIPIENT,
    "sender": _RECIPIENT,
    "toRecipients": [_RECIPIENT],
    "ccRecipients": [_RECIPIENT],
    "isReadReceiptRequested": bool,
}
"""As read by id: a state that isn't shown is no state."""

WHOLE = {
    **ITEM,
    "bccRecipients": [_RECIPIENT],
    "replyTo": (_RECIPIENT, [_RECIPIENT]),
    "priority": str,
    "hasAttachments": bool,
    "isReplied": bool,
    "isForwarded": bool,
    "body": {"bodyText": str, "bodyHtml": str},
}

ATTACHMENT = {
    "id": Must(str),
    "name": str,
    "size": (int, str),
    "isInline": bool,
    "contentId": str,
    "contentType": str,
    "extHeaders": {"*": str},
}

FOLDER = {
    "id": Must(str),
    "displayName": str,
    "childFolderCount": int,
    "totalItemCount": int,
    "unreadItemCount": int,
}

TAG = {"id": Must(str), "name": str}
