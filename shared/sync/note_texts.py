"""What the notes say, by language and cause: subject and text. `{since}`, `{date}`, `{sender}` and `{folder}` are put
in."""

from __future__ import annotations

from collections.abc import Mapping

Texts = Mapping[str, tuple[str, str]]

EN: Texts = {
    "no client password": (
        "Tandem: new mail in Outlook doesn't reach DingTalk",
        "Since {since} new mail in Outlook is not copied to DingTalk: DingTalk's client password is missing,"
        " has expired or was refused. The other direction goes on, and nothing is lost."
        "\n\nWhat to do: make a new client password in DingTalk Mail and give it to your administrator.",
    ),
    "mailbox full dingtalk": (
        "Tandem: the DingTalk mailbox is full",
        "Since {since} DingTalk takes no new mail: the mailbox is full. What waits in Outlook is copied as soon"
        " as there is room.\n\nWhat to do: delete or archive mail in DingTalk.",
    ),
    "mailbox full outlook": (
        "Tandem: the Outlook mailbox is full",
        "Since {since} Outlook takes no new mail: the mailbox is full. What waits in DingTalk is copied as soon"
        " as there is room.\n\nWhat to do: delete or archive mail in Outlook.",
    ),
    "rights dingtalk": (
        "Tandem may not open the DingTalk mailbox",
        "Since {since} Tandem may not open the DingTalk mailbox, so that nothing crosses either way. Nothing"
        " is lost.\n\nWhat to do: tell your administrator. Until then, look at both mailboxes.",
    ),
    "rights outlook": (
        "Tandem may not open the Outlook mailbox",
        "Since {since} Tandem may not open the Outlook mailbox, so that nothing crosses either way. Nothing"
        " is lost.\n\nWhat to do: tell your administrator. Until then, look at both mailboxes.",
    ),
    "brake": (
        "Tandem holds removals back",
        "Since {since} Tandem holds back removals: far more messages than usual were moved to the trash. They"
        " still stand on the other side; all else goes on.\n\nWhat to do: tell your administrator whether you"
        " meant it. If you didn't, move the messages back out of the trash.",
    ),
    "item": (
        "Tandem could not carry a message across",
        "A message was refused on the other side again and again since {since}, and is tried no more."
        "\n\nFrom: {sender}\nDate: {date}\nFolder: {folder}\n\nWhat to do: read it where it is, and tell your"
        " administrator if you need it on the other side.",
    ),
}
ZH_CN: Texts = {
    "no client password": (
        "Tandem：Outlook 的新邮件无法到达钉钉",
        "自 {since} 起，Outlook 的新邮件没有复制到钉钉：钉钉邮箱的客户端密码缺失、已过期或被拒绝。另一方向照"
        "常，邮件不会丢失。\n\n请在钉钉邮箱中生成新的客户端密码，并交给管理员。",
    ),
    "mailbox full dingtalk": (
        "Tandem：钉钉邮箱已满",
        "自 {since} 起，钉钉邮箱已满，无法接收新邮件。有空间后，Outlook 中等待的邮件会自动复制。"
        "\n\n请删除或归档钉钉中的邮件。",
    ),
    "mailbox full outlook": (
        "Tandem：Outlook 邮箱已满",
        "自 {since} 起，Outlook 邮箱已满，无法接收新邮件。有空间后，钉钉中等待的邮件会自动复制。"
        "\n\n请删除或归档 Outlook 中的邮件。",
    ),
    "rights dingtalk": (
        "Tandem 无权打开钉钉邮箱",
        "自 {since} 起，Tandem 无权打开钉钉邮箱，两个方向都已停止。邮件不会丢失。"
        "\n\n请通知管理员。在此之前请查看两个邮箱。",
    ),
    "rights outlook": (
        "Tandem 无权打开 Outlook 邮箱",
        "自 {since} 起，Tandem 无权打开 Outlook 邮箱，两个方向都已停止。邮件不会丢失。"
        "\n\n请通知管理员。在此之前请查看两个邮箱。",
    ),
    "brake": (
        "Tandem 暂停了删除",
        "自 {since} 起，Tandem 暂停了删除：被移到已删除邮件的数量远超平常。这些邮件在另一侧仍然保留，其他一"
        "切照常。\n\n请告诉管理员这是否是您的本意。如果不是，请把邮件从已删除邮件中移回。",
    ),
    "item": (
        "Tandem 有一封邮件无法复制",
        "自 {since} 起，有一封邮件一再被另一侧拒绝，不再重试。"
        "\n\n发件人：{sender}\n日期：{date}\n文件夹：{folder}\n\n请在原处阅读；如果另一侧也需要它，请通知管"
        "理员。",
    ),
}
ZH_TW: Texts = {
    "no client password": (
        "Tandem：Outlook 的新郵件無法到達釘釘",
        "自 {since} 起，Outlook 的新郵件沒有複製到釘釘：釘釘信箱的用戶端密碼缺少、已過期或遭拒絕。另一方向照"
        "常，郵件不會遺失。\n\n請在釘釘信箱中產生新的用戶端密碼，並交給管理員。",
    ),
    "mailbox full dingtalk": (
        "Tandem：釘釘信箱已滿",
        "自 {since} 起，釘釘信箱已滿，無法接收新郵件。有空間後，Outlook 中等待的郵件會自動複製。"
        "\n\n請刪除或封存釘釘中的郵件。",
    ),
    "mailbox full outlook": (
        "Tandem：Outlook 信箱已滿",
        "自 {since} 起，Outlook 信箱已滿，無法接收新郵件。有空間後，釘釘中等待的郵件會自動複製。"
        "\n\n請刪除或封存 Outlook 中的郵件。",
    ),
    "rights dingtalk": (
        "Tandem 無權開啟釘釘信箱",
        "自 {since} 起，Tandem 無權開啟釘釘信箱，兩個方向都已停止。郵件不會遺失。"
        "\n\n請通知管理員。在此之前請查看兩個信箱。",
    ),
    "rights outlook": (
        "Tandem 無權開啟 Outlook 信箱",
        "自 {since} 起，Tandem 無權開啟 Outlook 信箱，兩個方向都已停止。郵件不會遺失。"
        "\n\n請通知管理員。在此之前請查看兩個信箱。",
    ),
    "brake": (
        "Tandem 暫停了刪除",
        "自 {since} 起，Tandem 暫停了刪除：移到刪除的郵件的數量遠超平常。這些郵件在另一側仍然保留，其他一切"
        "照常。\n\n請告訴管理員這是否是您的本意。如果不是，請把郵件從刪除的郵件中移回。",
    ),
    "item": (
        "Tandem 有一封郵件無法複製",
        "自 {since} 起，有一封郵件一再遭另一側拒絕，不再重試。"
        "\n\n寄件者：{sender}\n日期：{date}\n資料夾：{folder}\n\n請在原處閱讀；如果另一側也需要它，請通知管"
        "理員。",
    ),
}
TEXTS: Mapping[str, Texts] = {"en": EN, "zh-CN": ZH_CN, "zh-TW": ZH_TW}
