"""The callback's crypto: the published vectors, calls with anything wrong about them, and the age of a call."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dingtalk.callback import (
    WINDOW,
    CallbackRefused,
    Forged,
    Keys,
    Malformed,
    Opened,
    Stale,
    aes_key,
    decrypted,
    open_callback,
    seal,
    sign,
)

NOW = 1_795_532_400.0
KEYS = Keys("123456", "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", "dingabc", "ding-corp")
SALT = b"0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Vector:
    """A published example."""

    token: str
    aes_key: str
    owner: str
    timestamp: str
    nonce: str
    encrypt: str
    signature: str
    message: str


VECTORS = {
    "configure-stream-push": Vector(
        "123456",
        "1234567890123456789012345678901234567890123",
        "dingsnotzck6pm5veliw",
        "1614767836",
        "A7Co0cJLMzIDtMMI",
        "YvkvaGe4hQxd3VxRmEty0dVlnCOAqwf56xwTRHDHoOURqhalbmBJQk5FNcRk42Gl5T0YQXZNwpwWSm1xAFJ5ZA==",
        "9a95a004dd16f5c307e849b994173f76aa26e5eb",
        "success",
    ),
    "callback-event-message-body-encryption-and-decryption": Vector(
        "123456",
        "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij",
        "suite4xxxxxxxxxxxxxxx",
        "1445827045067",
        "nEXhMP4r",
        "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRWVdUBmfxjZ8Ej23JVYa9VrYe"
        "J5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgnNOS9PhSBdHlegK+AGGanfwjXuQ9+0pZcy0w9lQ==",
        "5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0",
        '{"EventType":"check_create_suite_url","Random":"LPIdSnlF","TestSuiteKey":"suite4xxxxxxxxxxxxxxx"}',
    ),
    "DingCallbackCrypto3": Vector(
        "mryue",
        "Yue0EfdN5900c1ce5cf6A152c63DDe1808a60c5ecd7",
        "ding6ccabc44d2c8d38b",
        "1608001896814",
        "WL4PK6yA",
        "0vJiX6vliEpwG3U45CtXqi+m8PXbQRARJ8p8BbDuD1EMTDf0jKpQ79QS93qEk7XHpP6u+oTTrd15NRPvNvmBKyDCYxxOK+HZeKju4yhELOFchzN"
        "ukR+t8SB/qk4ROMu3",
        "03044561471240d4a14bb09372dfcfd4fd0e40cb",
        '{"EventType":"check_url"}',
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_published_vector_has_its_signature_and_its_message(name: str) -> None:
    vector = VECTORS[name]
    keys = Keys(vector.token, vector.aes_key, vector.owner, "")
    assert sign(vector.token, vector.timestamp, vector.nonce, vector.encrypt) == vector.signature
    assert decrypted(keys, vector.encrypt) == (vector.message, vector.owner)


def test_a_published_vector_is_sealed_to_the_byte() -> None:
    vector = VECTORS["configure-stream-push"]
    keys = Keys(vector.token, vector.aes_key, vector.owner, "")
    answer = seal(keys, "success", vector.owner, now=1.0, nonce=vector.nonce, salt=b"dICkEDLj0eb6yAbc")
    assert answer["encrypt"] == vector.encrypt


@pytest.mark.parametrize("name", ["callback-event-message-body-encryption-and-decryption", "DingCallbackCrypto3"])
def test_a_published_call_is_opened(name: str) -> None:
    vector = VECTORS[name]
    keys = Keys(vector.token, vector.aes_key, vector.owner, "")
    query = {"signature": vector.signature, "timestamp": vector.timestamp, "nonce": vector.nonce}
    opened = open_callback(keys, query, json.dumps({"encrypt": vector.encrypt}).encode(), int(vector.timestamp) / 1000)
    assert (opened.type, opened.owner) == (json.loads(vector.message)["EventType"], vector.owner)


# ---- calls of our own making
Call = tuple[dict[str, str], bytes]
EVENT = {"EventType": "user_leave_org", "CorpId": "ding-corp", "eventId": "e-1", "userId": ["u-1"]}


def call(
    event: Any = EVENT,
    *,
    keys: Keys = KEYS,
    at: float = NOW,
    stamp: str = "",
    owner: str = "dingabc",
    salt: bytes = SALT,
) -> Call:
    """As DingTalk makes it; `stamp` in place of the milliseconds of `at`."""
    text = event if isinstance(event, str) else json.dumps(event)
    sealed = seal(keys, text, owner, now=at, nonce="nonce123", salt=salt)
    timestamp = stamp or sealed["timeStamp"]
    signature = sign(keys.token, timestamp, "nonce123", sealed["encrypt"])
    body = json.dumps({"encrypt": sealed["encrypt"]}).encode()
    return {"signature": signature, "timestamp": timestamp, "nonce": "nonce123"}, body


def opened(given: Call, now: float = NOW) -> Opened:
    return open_callback(KEYS, *given, now)


def test_a_genuine_call_says_what_happened_and_for_whom_it_was_sealed() -> None:
    got = opened(call())
    assert (got.type, got.owner, got.fields["userid"]) == ("user_leave_org", "dingabc", ["u-1"])
    assert opened(call(owner="ding-corp")).owner == "ding-corp"


def test_the_answer_can_be_opened_by_whoever_knows_the_keys() -> None:
    answer = seal(KEYS, "success", "dingabc", now=NOW, nonce="n", salt=SALT)
    assert answer["msg_signature"] == sign(KEYS.token, answer["timeStamp"], "n", answer["encrypt"])
    assert decrypted(KEYS, answer["encrypt"]) == ("success", "dingabc")
    assert answer["timeStamp"] == str(int(NOW * 1000))


@given(st.text(max_size=200), st.binary(min_size=16, max_size=16))
def test_whatever_is_sealed_can_be_opened_again(text: str, salt: bytes) -> None:
    sealed = seal(KEYS, text, "dingabc", now=NOW, nonce="n", salt=salt)["encrypt"]
    assert len(b64decode(sealed)) % 32 == 0
    assert "\n" not in sealed
    assert decrypted(KEYS, sealed) == (text, "dingabc")


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.title])
def test_names_are_known_however_they_are_spelled(spell: Callable[[str], str]) -> None:
    query, body = call({spell(name): value for name, value in EVENT.items()})
    body = json.dumps({spell("encrypt"): json.loads(body)["encrypt"]}).encode()
    assert opened(({spell(name): value for name, value in query.items()}, body)).type == "user_leave_org"


def test_msg_signature_is_read_before_signature() -> None:
    query, body = call()
    assert opened(({**query, "msg_signature": query["signature"], "signature": "old"}, body)).type == "user_leave_org"
    with pytest.raises(Forged):
        opened(({**query, "msg_signature": "0" * 40}, body))


@pytest.mark.parametrize("stamp", [f"{NOW:.0f}", f"{NOW * 1000:.0f}"])
@pytest.mark.parametrize("later", [-30.0, 0.0, 10.0, 30.0, 45.0, WINDOW - 1])
def test_the_vendors_retries_are_let_through_with_stamps_in_seconds_or_milliseconds(stamp: str, later: float) -> None:
    assert opened(call(stamp=stamp), NOW + later).type == "user_leave_org"


@pytest.mark.parametrize("off", [WINDOW + 1, -WINDOW - 1, 600.0, -600.0, 86400.0])
def test_a_stale_call_says_how_far_off_it_is_and_what_to_look_at(off: float) -> None:
    with pytest.raises(Stale, match="clock") as caught:
        opened(call(), NOW + off)
    assert caught.value.off == off
    assert f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} its stamp" in str(caught.value)
    assert caught.value.key == opened(call()).key


# ---- which callback it is
def test_the_same_event_has_the_same_key_however_often_it_is_sent() -> None:
    keys = {opened(call(at=NOW + n, salt=bytes([n]) * 16)).key for n in range(3)}
    assert len(keys) == 1
    assert opened(call({**EVENT, "eventId": "e-2"})).key not in keys


def test_without_an_event_id_corp_and_biz_id_tell_it() -> None:
    event = {"EventType": "x", "CorpId": "ding-corp", "BizId": "b-1"}
    assert opened(call(event, salt=b"1" * 16)).key == opened(call(event, salt=b"2" * 16)).key
    assert opened(call({**event, "BizId": "b-2"})).key != opened(call(event)).key


def test_a_handshake_is_told_by_the_whole_call() -> None:
    handshake = {"EventType": "check_url"}
    assert opened(call(handshake)).key == opened(call(handshake)).key
    assert opened(call(handshake, salt=b"1" * 16)).key != opened(call(handshake)).key


# ---- calls with something wrong
def _query(**changed: str | None) -> Call:
    query, body = call()
    whole = {**query, **changed}
    return {name: value for name, value in whole.items() if value is not None}, body


def _signed(encrypt: str) -> Call:
    """Signed with the right token, whatever is sealed."""
    stamp = f"{NOW * 1000:.0f}"
    query = {"signature": sign(KEYS.token, stamp, "n", encrypt), "timestamp": stamp, "nonce": "n"}
    return query, json.dumps({"encrypt": encrypt}).encode()


def _sealed(plain: bytes) -> Call:
    """`plain` encrypted as it is."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    encryptor = Cipher(AES(KEYS.aes), CBC(KEYS.aes[:16])).encryptor()
    return _signed(b64encode(encryptor.update(plain) + encryptor.finalize()).decode())


OWN = SALT + b"\x00\x00\x00\x02{}dingabc"
MALFORMED: dict[str, Call] = {
    "no signature": _query(signature=None),
    "an empty signature": _query(signature=""),
    "no timestamp": _query(timestamp=None),
    "a timestamp that is no number": _query(timestamp="now"),
    "a timestamp with a sign": _query(timestamp="-1795532400"),
    "a timestamp in other digits": _query(timestamp="１７９５５３２４００"),
    "a timestamp without end": _query(timestamp="9" * 5000),
    "no nonce": _query(nonce=None),
    "a nonce that is not ASCII": _query(nonce="密"),
    "a name given twice": _query(Signature="0" * 40),
    "no body": (_query()[0], b""),
    "a body that is no JSON": (_query()[0], b"\xff{"),
    "a body that is a list": (_query()[0], b"[1]"),
    "a body nested without end": (_query()[0], b"[" * 200_000),
    "nothing encrypted": (_query()[0], b"{}"),
    "an encrypted number": (_query()[0], b'{"encrypt": 7}'),
    "a message that is no JSON": call("nonsense"),
    "a message that is a list": call("[]"),
    "a message without a type": call({"CorpId": "ding-corp"}),
    "a type that is a list": call({**EVENT, "EventType": ["check_url"]}),
}
FORGED: dict[str, Call] = {
    "another signature": _query(signature="0" * 40),
    "a signature cut short": _query(signature=_query()[0]["signature"][:-1]),
    "another nonce": _query(nonce="nonce124"),
    "another timestamp": _query(timestamp=f"{NOW * 1000 + 1:.0f}"),
    "another token": call(keys=replace(KEYS, token="654321")),
    "another AES key": call(keys=replace(KEYS, aes_key="1" * 43)),
    "another owner": call(owner="dingother"),
    "no owner": call(owner=""),
    "another organisation": call({**EVENT, "CorpId": "ding-else"}),
    "an organisation that is a number": call({**EVENT, "CorpId": 7}),
    "no base64": _signed("!!!!"),
    "nothing sealed": _signed("===="),
    "half a block": _signed(b64encode(b"x" * 24).decode()),
    "one block": _sealed(b"x" * 16),
    "no padding": _sealed(OWN.ljust(64, b"\x00")),
    "padding of more than a block": _sealed(OWN + bytes([33]) * (64 - len(OWN))),
    "padding that is not all the same": _sealed(OWN + b"\x01" * (62 - len(OWN)) + b"\x02\x03"),
    "a length beyond the end": _sealed(SALT + b"\xff\xff\xff\xff{}dingabc" + bytes([3]) * 3),
    "bytes that are no text": _sealed(SALT + b"\x00\x00\x00\x02\xff\xfedingabc" + bytes([3]) * 3),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_call_is_refused(what: str) -> None:
    with pytest.raises(Malformed):
        opened(MALFORMED[what])


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_call_is_refused(what: str) -> None:
    with pytest.raises(Forged):
        opened(FORGED[what])


@given(st.integers(0, 10_000), st.sampled_from(["flip", "cut", "double"]))
def test_a_call_with_anything_changed_is_refused(where: int, how: str) -> None:
    query, body = call()
    text = json.loads(body)["encrypt"]
    at = where % len(text)
    changed = {
        "flip": text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :],
        "cut": text[:at] + text[at + 1 :],
        "double": text[: at + 1] + text[at:],
    }[how]
    with pytest.raises(CallbackRefused):
        opened((query, json.dumps({"encrypt": changed}).encode()))


@pytest.mark.parametrize("text", ["", "a" * 42, "a" * 44, "密" * 43, "!" * 43])
def test_a_key_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="43 letters"):
        aes_key(text)


def test_no_refusal_shows_what_was_sent() -> None:
    for given_call in (*MALFORMED.values(), *FORGED.values(), call(at=NOW - 3600)):
        with pytest.raises(CallbackRefused) as caught:
            opened(given_call)
        shown = str(caught.value)
        assert not any(text in shown for text in ("u-1", "e-1", "nonce123", "123456", KEYS.aes_key, "dingabc"))


def test_the_digest_is_sha1_because_the_vendor_says_so() -> None:
    joined = "".join(sorted(("t", "1", "n", "e")))
    assert sign("t", "1", "n", "e") == hashlib.sha1(joined.encode()).hexdigest()
