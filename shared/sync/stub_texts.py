"""What stubs say, by language. `{size}` in MB, `{side}` and `{mailbox}` of the original are put in."""

from __future__ import annotations

from collections.abc import Mapping

from shared.model.words import Side

SIDES: Mapping[str, Mapping[Side, str]] = {
    "en": {"outlook": "Outlook", "dingtalk": "DingTalk"},
    "zh-CN": {"outlook": "Outlook", "dingtalk": "钉钉"},
    "zh-TW": {"outlook": "Outlook", "dingtalk": "釘釘"},
}
TEXTS: Mapping[str, str] = {
    "en": (
        "This message is too large to be carried over by Tandem. The original ({size} MB) is in the {side} mailbox"
        " {mailbox}: read it there."
        "\n\nThis placeholder stands for it: when you read, flag, move or delete it, the same is done to the original."
    ),
    "zh-CN": (
        "这封邮件太大，Tandem 无法复制到此处。原件（{size} MB）在 {side} 邮箱 {mailbox} 中，请在那里阅读。"
        "\n\n此邮件代表原件：您在这里标为已读、加旗标、移动或删除它，原件也会同样处理。"
    ),
    "zh-TW": (
        "這封郵件太大，Tandem 無法複製到此處。原件（{size} MB）在 {side} 信箱 {mailbox} 中，請在那裡閱讀。"
        "\n\n此郵件代表原件：您在這裡標為已讀、加旗標、移動或刪除它，原件也會同樣處理。"
    ),
}
