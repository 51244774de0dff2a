"""Facts in a message that patterns find reliably: e-mail address, telephone number, name, order number."""

import re

import phonenumbers

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])")
# "bob at gmail dot com", as people write it to escape robots.
_SPELLED_EMAIL = re.compile(
    r"\b([A-Za-z0-9._%+-]{1,64})\s*[\[(]?\s*\bat\b\s*[\])]?\s*"
    r"([A-Za-z0-9-]{1,63}(?:\s*[\[(]?\s*\bdot\b\s*[\])]?\s*[A-Za-z0-9-]{1,63}){1,4})",
    re.IGNORECASE,
)
_DOT = re.compile(r"\s*[\[(]?\s*\bdot\b\s*[\])]?\s*", re.IGNORECASE)
# A national number as people type it. Without a country it cannot become E.164, so its digits are kept as they are.
_DIGITS = re.compile(r"(?<![\w.+-])\(?0[\d\s()./-]{6,18}\d(?![\w-])")
_NAME_WORD = r"[A-Z\u00c0-\u00de][\w'\u2019-]{1,30}"
_NAME = re.compile(
    r"(?:\b(?i:my name is|my name's|i am|i'm|i\u2019m|this is|name:|regards,?|cheers,?|je m'appelle|me llamo)"
    rf"\s+)({_NAME_WORD}(?:\s+{_NAME_WORD}){{0,2}})"
)
_ORDER = re.compile(
    r"\b(?i:order|invoice|booking)\s*(?i:number|no\.?|nr\.?)?\s*[:#]?\s*#?([A-Z]{0,4}-?\d[A-Z0-9-]{2,20})"
)
# Capitalised words that follow "I'm" without being a name.
_NO_NAMES = set("I Not Sorry Just Looking Interested Very Here Still OK Okay The A An".split())


def find(text: str) -> dict[str, str]:
    """What was found, by slot: email, phone, name, order_number. Nothing is guessed."""
    found = {"email": email(text), "phone": phone(text), "name": name(text), "order_number": order_number(text)}
    return {slot: value for slot, value in found.items() if value}


def email(text: str) -> str:
    if match := _EMAIL.search(text):
        return match[0].lower()
    match = _SPELLED_EMAIL.search(text)
    if match is None or not re.search(r"\bdot\b", match[0], re.IGNORECASE):
        return ""
    return f"{match[1]}@{_DOT.sub('.', match[2])}".lower()


def phone(text: str, region: str | None = None) -> str:
    """E.164 where the country is known, else the digits as typed."""
    for match in phonenumbers.PhoneNumberMatcher(text, region):
        return phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
    national = _DIGITS.search(text)
    digits = re.sub(r"\D", "", national[0]) if national else ""
    return digits if 8 <= len(digits) <= 15 else ""


def name(text: str) -> str:
    match = _NAME.search(text)
    if match is None or match[1].split()[0] in _NO_NAMES:
        return ""
    return match[1]


def order_number(text: str) -> str:
    match = _ORDER.search(text)
    return match[1] if match else ""
