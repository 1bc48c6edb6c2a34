"""DingTalk's open platform: the callback's door, what is done about events, and the directory, where settings name an
app."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from shared.dingtalk.callback import Keys
from shared.dingtalk.callback_door import CallbackDoor
from shared.dingtalk.openapi import OpenApi
from shared.dingtalk.openapi_quota import Quota
from shared.dingtalk.openapi_tokens import AppTokens
from shared.sync.events import Events
from shared.wiring.pairs import Pairs
from shared.wiring.parts import Parts
from shared.wiring.secrets import app_secret
from shared.wiring.settings import Settings


@dataclass(frozen=True, slots=True)
class OpenPlatform:
    door: CallbackDoor
    events: Events
    quota: Quota


def open_platform(settings: Settings, parts: Parts, pairs: Pairs) -> OpenPlatform | None:
    """None where the settings name no app: then there is no callback, and nobody's leaving is noticed."""
    app_key, corp_id = settings.dingtalk_app_key, settings.dingtalk_corp_id
    if app_key is None or corp_id is None:
        return None
    token = app_secret("dingtalk_token", settings, parts)
    aes = app_secret("dingtalk_aes_key", settings, parts)

    def keys(fresh: bool) -> Keys:
        return Keys(token(fresh), aes(fresh), app_key, corp_id)

    urls = settings.dingtalk_url, settings.dingtalk_oapi_url
    secret = app_secret("dingtalk_app_secret", settings, parts)
    tokens = AppTokens(parts.transport, parts.clock, *urls, app_key, secret, threading.Lock())
    quota = Quota(parts.table)
    directory = OpenApi(parts.transport, tokens, quota, settings.dingtalk_oapi_url, settings.request_timeout)
    events = Events(parts.table, parts.queue, pairs, directory)
    return OpenPlatform(CallbackDoor(keys, parts.table, parts.random, events), events, quota)
