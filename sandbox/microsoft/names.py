"""The folders that every mailbox has, and what they are called in each language."""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "msgfolderroot"
RECOVERABLE = "recoverableitemsdeletions"


@dataclass(frozen=True, slots=True)
class WellKnown:
    """`parent` is a well-known name, or "" for what stands beside the root of the mail folders."""

    name: str
    parent: str
    hidden: bool
    english: str
    simplified: str
    traditional: str

    def display(self, language: str) -> str:
        tag = language.lower()
        if not tag.startswith("zh"):
            return self.english
        return self.traditional if any(part in tag for part in ("hant", "tw", "hk", "mo")) else self.simplified


WELL_KNOWN = (
    WellKnown(ROOT, "", True, "Top of Information Store", "信息存储顶部", "資訊儲存頂端"),
    WellKnown("archive", ROOT, False, "Archive", "存档", "封存"),
    WellKnown("conversationhistory", ROOT, False, "Conversation History", "对话历史记录", "交談記錄"),
    WellKnown("deleteditems", ROOT, False, "Deleted Items", "已删除邮件", "刪除的郵件"),
    WellKnown("drafts", ROOT, False, "Drafts", "草稿", "草稿"),
    WellKnown("inbox", ROOT, False, "Inbox", "收件箱", "收件匣"),
    WellKnown("junkemail", ROOT, False, "Junk Email", "垃圾邮件", "垃圾郵件"),
    WellKnown("outbox", ROOT, False, "Outbox", "发件箱", "寄件匣"),
    WellKnown("sentitems", ROOT, False, "Sent Items", "已发送邮件", "寄件備份"),
    WellKnown("syncissues", ROOT, False, "Sync Issues", "同步问题", "同步處理問題"),
    WellKnown("conflicts", "syncissues", False, "Conflicts", "冲突", "衝突"),
    WellKnown("localfailures", "syncissues", False, "Local Failures", "本地故障", "本機失敗"),
    WellKnown("serverfailures", "syncissues", False, "Server Failures", "服务器故障", "伺服器失敗"),
    WellKnown("scheduled", ROOT, True, "Scheduled", "已计划", "已排程"),
    WellKnown("searchfolders", "", True, "Finder", "Finder", "Finder"),
    WellKnown(RECOVERABLE, "", True, "Deletions", "Deletions", "Deletions"),
)

BY_NAME = {known.name: known for known in WELL_KNOWN}

ABSENT = frozenset({"clutter"})
"""Names that the vendor knows and that most mailboxes have no folder for."""

ROLES = {
    "inbox": "inbox",
    "sentitems": "sent",
    "drafts": "drafts",
    "junkemail": "junk",
    "deleteditems": "trash",
    "archive": "archive",
}
"""Well-known name -> the word for it in `sandbox.truth`."""
