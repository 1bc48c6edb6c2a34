"""A simulated DingTalk mail (Alimail): the REST door v2 and the IMAP door on one store, as far as Tandem and its
neighbours use them; and of the open platform the directory and the event callbacks. Written from the vendor's
contracts; it knows nothing of the product."""

from sandbox.dingtalk.imap_server import ImapServer
from sandbox.dingtalk.imap_session import ImapSession
from sandbox.dingtalk.openapi import DingTalkOpen
from sandbox.dingtalk.openapi_server import OpenServer
from sandbox.dingtalk.openapi_switches import OpenSwitches
from sandbox.dingtalk.person import AliMailbox
from sandbox.dingtalk.switches import Switches
from sandbox.dingtalk.vendor import DingTalkMail

__all__ = [
    "AliMailbox",
    "DingTalkMail",
    "DingTalkOpen",
    "ImapServer",
    "ImapSession",
    "OpenServer",
    "OpenSwitches",
    "Switches",
]
