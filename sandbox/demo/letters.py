"""The letters of the demo: what they say, and the RFC 5322 bytes that travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from sandbox.demo.files import pdf, png, xlsx


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """`picture`: stands in the HTML body. `receipt`: the sender asks to be told when it is read."""

    subject: str
    text: str
    html: str = ""
    charset: str = "utf-8"
    attachments: Sequence[Attachment] = ()
    picture: bytes = b""
    receipt: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """Addresses as (name, address). `serial` is unique in a sandbox, `at` in epoch seconds."""

    sender: tuple[str, str]
    to: Sequence[tuple[str, str]]
    cc: Sequence[tuple[str, str]]
    serial: int
    at: float


def compose(letter: Letter, envelope: Envelope) -> bytes:
    """RFC 5322 with CRLF."""
    mail = EmailMessage(policy=SMTP)
    mail["Message-ID"] = f"<{message_id(envelope)}>"
    mail["Date"] = format_datetime(datetime.fromtimestamp(int(envelope.at), UTC))
    mail["From"] = formataddr(envelope.sender)
    mail["To"] = ", ".join(map(formataddr, envelope.to))
    if envelope.cc:
        mail["Cc"] = ", ".join(map(formataddr, envelope.cc))
    mail["Subject"] = letter.subject
    if letter.receipt:
        mail["Disposition-Notification-To"] = formataddr(envelope.sender)
    mail.set_content(letter.text, charset=letter.charset, cte="base64")
    if letter.html:
        mail.add_alternative(letter.html, subtype="html", cte="base64")
    page = mail.get_body(("html",))
    if page is not None and letter.picture:
        page.add_related(
            letter.picture,
            maintype="image",
            subtype="png",
            cid="<picture>",
            filename="picture.png",
            disposition="inline",
        )
    for attachment in letter.attachments:
        main, _, sub = _TYPES[attachment.name.rpartition(".")[2]].partition("/")
        mail.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.name)
    return mail.as_bytes()


def message_id(envelope: Envelope) -> str:
    """Without brackets."""
    return f"{envelope.serial:06d}.{int(envelope.at)}@{envelope.sender[1].partition('@')[2]}"


_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def _pdf(name: str, title: str) -> Attachment:
    return Attachment(f"{name}.pdf", pdf(title))


def _xlsx(name: str, *cells: str) -> Attachment:
    return Attachment(f"{name}.xlsx", xlsx(*cells))


_PICTURE = '<p>{}</p><p><img src="cid:picture" alt=""></p>'

LETTERS: Mapping[str, Letter] = {
    # To the office in Hong Kong, which works in Outlook
    "customs": Letter("報關資料補件", "請於今日內補交報關單。\n", attachments=[_pdf("報關單", "Declaration")]),
    "order": Letter("Change order 4711", "Please add 200 pcs of item 17.\n"),
    "packing": Letter("裝箱單 v2", "更新如附件。\n", attachments=[_xlsx("裝箱單", "箱號", "C-001", "C-002")]),
    "photo": Letter("樣品照片", "見圖。\n", html=_PICTURE.format("請確認<b>顏色</b>。"), picture=png(200, 30, 30)),
    "invoice": Letter(
        "Invoice 2291 is due",
        "Kindly settle.\n",
        attachments=[_pdf("Invoice 2291", "2291")],
        receipt=True,
    ),
    "arrival": Letter("Re: ETA Long Beach", "ETA is now Friday.\n", html="<p>ETA is now <b>Friday</b>.</p>"),
    "shipped": Letter("出貨通知", "貨物已於昨日出倉。\n", charset="big5"),
    # To the factory in Dongguan, which works in DingTalk
    "quote": Letter("报价单确认", "请确认附件报价。\n", attachments=[_xlsx("报价单", "项目", "单价", "12.50")]),
    "lading": Letter("提单确认", "提单草稿见附件。\n", attachments=[_pdf("提单", "Bill of lading")]),
    "schedule": Letter("下周生产排期", "二号线先做。\n", html="<table><tr><td>二号线</td><td>先做</td></tr></table>"),
    "payment": Letter("付款通知", "货款已付，请查收。\n", charset="gb2312"),
    "sample": Letter("样品寄出", "单号见图。\n", html=_PICTURE.format("顺丰单号见图。"), picture=png(30, 120, 200)),
    "inspection": Letter(
        "Inspection report 08-14",
        "Passed, two minor remarks.\n",
        attachments=[_pdf("验货报告", "Inspection"), _xlsx("缺陷清单", "缺陷", "划痕")],
    ),
    "stopped": Letter("二号线停机", "预计下午恢复。\n"),
    # Out of the house
    "booking": Letter("Booking request 40HQ", "One 40HQ to Long Beach, please.\n"),
    "deposit": Letter("訂金水單", "水單如附件。\n", attachments=[_pdf("水單", "Deposit")]),
    "agenda": Letter("週三會議議程", "一、船期 二、樣品\n"),
    "claim": Letter("Claim for short shipment", "12 cartons are missing.\n", html="<p><b>12</b> are missing.</p>"),
    "thanks": Letter("多謝", "收到，多謝！\n"),
    "inquiry": Letter("询价：纸箱", "请报 5 层瓦楞纸箱。\n"),
    "drawing": Letter("图纸更新 B 版", "以 B 版为准。\n", attachments=[_pdf("图纸B", "Rev B")]),
    "delivery": Letter("送货单", "今日送货两托。\n", attachments=[_xlsx("送货单", "托盘", "1", "2")]),
    "overtime": Letter("周末加班安排", "周六全天。\n"),
    "reply": Letter("回复：样品颜色", "按色卡 186C。\n"),
    # Between a person's two accounts, and to both of them
    "handover": Letter("交接事項", "明日我在東莞。\n"),
    "note": Letter("備忘：續簽合約", "月底前。\n"),
    "forward": Letter("转给香港", "原件在我这里。\n", attachments=[_pdf("原件", "Original")]),
    "memo": Letter("备忘：打电话给李工", "下午三点。\n"),
    "notice": Letter("中秋节放假通知", "放假三天。\n"),
    "terms": Letter("New payment terms", "Valid from next month.\n", attachments=[_pdf("付款条件", "Terms")]),
    "rate": Letter("Freight rates, week 36", "Unchanged.\n"),
    "survey": Letter("客户满意度调查", "请填写。\n"),
}
"""By the name that the story calls them."""
