"""Modified UTF-7, in which IMAP names mailboxes (RFC 3501, 5.1.3)."""

from __future__ import annotations

import base64
import re


def encode(name: str) -> str:
    def shifted(match: re.Match[str]) -> str:
        coded = base64.b64encode(match[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
        return f"&{coded}-"

    return re.sub(r"[^\x20-\x7e]+", shifted, name.replace("&", "&-"))


def decode(name: str) -> str:
    def plain(match: re.Match[str]) -> str:
        coded = match[1].replace(",", "/")
        return base64.b64decode(coded + "=" * (-len(coded) % 4)).decode("utf-16-be") if coded else "&"

    return re.sub(r"&([A-Za-z0-9+,]*)-", plain, name)
