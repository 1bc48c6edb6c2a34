"""Letters that people write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

SUBJECTS = ("報關資料補件", "提单确认", "Change order", "装箱单 v2", "Re: ETA", "付款通知")


def letter(
    sender: str, to: Sequence[str], serial: int, at: float, attachment: bytes | None = None
) -> tuple[str, bytes]:
    """-> Message-ID without brackets, RFC 5322 bytes with CRLF. `at`: epoch seconds."""
    message_id = f"m{serial:04d}@mail.example"
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(to)
    message["Subject"] = SUBJECTS[serial % len(SUBJECTS)]
    message["Message-ID"] = f"<{message_id}>"
    message["Date"] = format_datetime(datetime.fromtimestamp(int(at), UTC))
    message.set_content(f"{message_id} 您好\n")
    if attachment is not None:
        message.add_attachment(attachment, maintype="application", subtype="pdf", filename="提单.pdf")
        message.set_boundary(f"part-{serial:04d}")
    return message_id, message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
