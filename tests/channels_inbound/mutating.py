"""Spoiling requests: what a fault, a stranger or a bored provider may make of a genuine one."""

import copy
import json
import random
from typing import Any
from urllib.parse import quote_from_bytes

DEPTH = 20_000
MANY_KEYS = 100_000
# One of these in so many mutations, since each costs as much as hundreds of others.
HEAVY_ONE_IN = 150
DEEP = '"@deep@"'
TEXTS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800x",
    "é" * 300,
    "\u202eabc\u2066",
    "🦄" * 200,
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "2026-13-45T99:99:99Z",
    "-1",
    "1e999",
    "9" * 5000,
    "a" * 70_000,
    "\r\nX-Evil: 1",
    "+0",
    "whatsapp:",
    "<>@",
    "https://[::1",
    "=?utf-8?b?!!!?=",
    "__proto__",
    "%s%d{0}",
]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**31,
    2**63,
    2**64,
    10**400,
    -(10**30),
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": ""},
    {"a": {"b": {"c": []}}},
    ["x", 1, None],
    {"id": {"id": "x"}},
]
# What names one thing at a provider; inside of these it names a person or a place, which stays.
NAMES = frozenset({"id", "mid", "event_id", "update_id", "messageId", "MessageSid", "Message-Id"})
PLACES = frozenset({"sender", "recipient", "from", "chat", "user", "team", "channel", "entry", "metadata"})
LATIN = [chr(code) for code in (9, 32, 34, 44, 61, 127, 128, 160, 233, 255)]


def renamed(value: Any, number: int, inside: str = "") -> Any:
    """The same with ids of its own, so that it is no repetition."""
    if isinstance(value, dict):
        return {
            name: _numbered(each, number) if name in NAMES and inside not in PLACES else renamed(each, number, name)
            for name, each in value.items()
        }
    return [renamed(each, number, inside) for each in value] if isinstance(value, list) else value


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return f"{value}{number}"
    return value + number * 100 if isinstance(value, int) else value


# --- JSON ------------------------------------------------------------------------------------------------------------


def spoiled_json(value: Any, rng: random.Random) -> bytes:
    """The JSON with one to three things wrong in it, written down; the bytes themselves are wrong in some."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _change(value, rng)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.9).replace(DEEP, _nested(rng))
    if rng.random() < 0.15:
        text = _doubled(text, rng)
    body = text.encode(errors="surrogatepass")
    return spoiled_bytes(body, rng) if rng.random() < 0.2 else body


def _change(value: Any, rng: random.Random) -> Any:
    places = list(_places(value))
    if not places or rng.random() < 0.02:
        return _junk(rng)
    container, key = rng.choice(places)
    action = rng.randrange(8)
    if action <= 2:
        container[key] = _junk(rng)
    elif action == 3:
        del container[key]
    elif action == 4:
        container[key] = [container[key]] * rng.choice((1, 2, 50))
    elif action == 5:
        container[key] = {rng.choice(TEXTS): container[key]}
    elif action == 6:
        other, name = rng.choice(places)
        container[key] = copy.deepcopy(other[name])
    elif isinstance(container[key], str):
        container[key] = _cut_or_stuffed(container[key], rng)
    else:
        container[key] = json.dumps(container[key])
    return value


def _places(value: Any) -> Any:
    """Every member of every container in it, as (container, key)."""
    if isinstance(value, dict | list):
        for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(child)


def _junk(rng: random.Random) -> Any:
    if rng.randrange(HEAVY_ONE_IN) == 0:
        return _heavy(rng)
    if rng.random() < 0.03:
        return DEEP.strip('"')
    return copy.deepcopy(rng.choice(VALUES)) if rng.random() < 0.5 else rng.choice(TEXTS)


def _heavy(rng: random.Random) -> Any:
    kind = rng.randrange(4)
    if kind == 0:
        return {f"key{number}": number for number in range(MANY_KEYS)}
    if kind == 1:
        return rng.choice(("a", "é", "\u0301", "<", " ", "🦄")) * 350_000
    if kind == 2:
        return [{"id": str(number), "type": "text"} for number in range(5000)]
    return "a" * 5_000_000


def _cut_or_stuffed(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] if rng.random() < 0.4 else text[:place] + rng.choice(TEXTS) + text[place:]


def _nested(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return "[" * DEPTH + "]" * DEPTH
    return '{"a":' * DEPTH + "1" + "}" * DEPTH


def _doubled(text: str, rng: random.Random) -> str:
    """A member that is in there once more, with another value."""
    names = [piece.rpartition('"')[2] for piece in text.split('": ')[:-1]]
    places = [number for number, sign in enumerate(text) if sign == "{"]
    if not names or not places:
        return text
    place = rng.choice(places) + 1
    return f'{text[:place]}"{rng.choice(names)}": {rng.choice(["null", "1", "[]", "NaN", "-Infinity"])}, {text[place:]}'


# --- forms -----------------------------------------------------------------------------------------------------------


def spoiled_pairs(pairs: list[tuple[str, str]], rng: random.Random) -> list[tuple[str, str]]:
    pairs = list(pairs)
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = rng.randrange(len(pairs)) if pairs else 0
        action = rng.randrange(6)
        if action == 0 and pairs:
            del pairs[place]
        elif action == 1 and pairs:
            pairs.append((pairs[place][0], rng.choice(TEXTS)))
        elif action == 2:
            pairs.insert(place, (rng.choice(TEXTS)[:500], rng.choice(TEXTS)))
        elif action == 3 and pairs and pairs[place][1][:1] in ("{", "["):
            spoiled = spoiled_json(json.loads(pairs[place][1]), rng) if _is_json(pairs[place][1]) else b"{"
            pairs[place] = (pairs[place][0], spoiled[:100_000].decode("utf-8", "surrogateescape"))
        elif pairs:
            name, value = pairs[place]
            pairs[place] = (name, _cut_or_stuffed(value, rng) if rng.random() < 0.5 else rng.choice(TEXTS))
    return pairs


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def encoded(pairs: list[tuple[str, str]]) -> bytes:
    """As a form in an address has them; what is no character is written as its bytes."""
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs).encode()


def _quoted(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


# --- bytes and headers -----------------------------------------------------------------------------------------------


def spoiled_bytes(body: bytes, rng: random.Random) -> bytes:
    data = bytearray(body)
    for _ in range(rng.choice((1, 2, 8))):
        place = rng.randrange(len(data) + 1)
        action = rng.randrange(4)
        if action == 0 and place < len(data):
            data[place] = rng.randrange(256)
        elif action == 1:
            data[place:place] = rng.choice((b"\x00", b"\xff\xfe", b"%", b"&", b"=", b"\r\n", b"\xed\xa0\x80", b"--"))
        elif action == 2:
            del data[place : place + rng.choice((1, 10, 1000))]
        else:
            data[place:place] = data[: rng.randrange(200)]
    return bytes(data)


def spoiled_header(value: str, rng: random.Random) -> str:
    """As a server hands it on: any byte, as Latin-1."""
    action = rng.randrange(6)
    if action == 0:
        return ""
    if action == 1:
        return "".join(rng.choice(LATIN) for _ in range(rng.randrange(1, 30)))
    if action == 2:
        return value[: rng.randrange(len(value) + 1)]
    if action == 3:
        return f"{value},{value}"
    if action == 4:
        return rng.choice(
            ("0" * 9000, "t=,v1=", "v1,", "Basic ", "Basic w6k6", "sha256=", "nan", "-1", "1.5", "٣٣٣"[:0])
        )
    place = rng.randrange(len(value) + 1)
    return value[:place] + rng.choice(LATIN) + value[place + 1 :]
