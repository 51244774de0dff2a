"""Whole words and phrases in what people write: any language, no patterns, no guessing.

Where a script puts spaces between words, a phrase matches whole words only; where it does not (Chinese, Japanese,
Thai …), the characters one after the other are all there is to go by.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

# Letters, marks, numbers and symbols make words; punctuation and space part them. So "c++" and "24/7" can be listed.
_IN_WORDS = "LMNS"
_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def normalised(text: str) -> str:
    """Lower case, one space between words, no punctuation: equal for texts that differ in nothing that matters."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    spaced = (character if _is_in_word(character) else " " for character in plain if not _is_invisible(character))
    return " ".join("".join(spaced).split())


def _is_in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in _IN_WORDS


def _is_invisible(character: str) -> bool:
    """Joiners that Indic scripts and emoji write inside of words."""
    return unicodedata.category(character) == "Cf"


@dataclass(frozen=True)
class Phrase:
    """A word or phrase to look for, read once. `gap` stands where the script parts words."""

    words: str
    gap: str

    def is_in(self, text: "Read") -> bool:
        return bool(self.words) and f"{self.gap}{self.words}{self.gap}" in (text.spaced if self.gap else text.squeezed)


@dataclass(frozen=True)
class Read:
    """What somebody wrote, ready to be searched: with a space around every word, and with none at all."""

    spaced: str
    squeezed: str

    @classmethod
    def of(cls, text: str) -> "Read":
        plain = normalised(text)
        return cls(f" {plain} ", plain.replace(" ", ""))


@lru_cache(maxsize=10_000)
def phrase(line: str) -> Phrase:
    plain = normalised(line)
    if any(map(_is_written_without_spaces, plain)):
        return Phrase(plain.replace(" ", ""), "")
    return Phrase(plain, " ")


def _is_written_without_spaces(character: str) -> bool:
    return ord(character) > 0x0E00 and unicodedata.name(character, "").startswith(_WITHOUT_SPACES)


def first_of(lines: Iterable[str], text: str) -> str | None:
    """The first of these words or phrases that the text holds, as it was listed."""
    read = Read.of(text)
    return next((line for line in lines if phrase(line).is_in(read)), None)


# --- asking for a person ----------------------------------------------------------------------------------------------

_ENGLISH = [
    " ".join(words)
    for words in product(
        ("talk", "speak", "chat", "connect me", "transfer me", "put me through"),
        ("to", "with"),
        ("a", "an", "the", "your", "some", "any"),
        (
            "human",
            "human being",
            "person",
            "real person",
            "real human",
            "live person",
            "agent",
            "human agent",
            "live agent",
            "manager",
            "supervisor",
            "representative",
            "operator",
            "colleague",
        ),
    )
]
PERSON_WANTED = (
    *_ENGLISH,
    *("talk to someone", "speak to someone", "speak with someone", "talk to somebody", "speak to somebody"),
    *("human please", "real person please", "live agent please", "i want a human", "i need a human", "get me a human"),
    *("i want a real person", "i need a real person", "customer service representative", "talk to customer service"),
    # Swahili
    *("kuongea na mtu", "kuzungumza na mtu", "niongee na mtu", "niunganishe na mtu", "kuongea na binadamu"),
    *("kuongea na meneja", "kuzungumza na meneja", "kuongea na mhudumu"),
    # French
    *("parler à un humain", "parler a un humain", "parler à une personne", "parler a une personne"),
    *("parler à un conseiller", "parler a un conseiller", "parler à quelqu'un", "parler a quelqu'un"),
    *("parler avec un humain", "parler avec une personne", "parler à un agent", "parler à un responsable"),
    # Spanish
    *("hablar con una persona", "hablar con un humano", "hablar con un agente", "hablar con alguien"),
    *("hablar con un asesor", "hablar con un encargado", "una persona real"),
    # Portuguese
    *("falar com uma pessoa", "falar com um humano", "falar com um atendente", "falar com alguém", "falar com alguem"),
    # German
    *("mit einem menschen sprechen", "mit einem menschen reden", "mit einem mitarbeiter sprechen"),
    *("mit jemandem sprechen", "einen echten menschen"),
    # Malay and Indonesian
    *("bicara dengan orang", "berbicara dengan orang", "bercakap dengan orang", "cakap dengan orang"),
    *("berbicara dengan manusia", "bicara dengan manusia", "bicara dengan agen", "berbicara dengan petugas"),
    # Chinese, Japanese
    *(
        "转人工",
        "人工客服",
        "人工服务",
        "轉人工",
        "真人客服",
        "和真人",
        "オペレーターと話",
        "担当者と話",
        "人と話したい",
    ),
    # Arabic, Hindi, Russian
    *("أريد التحدث مع شخص", "التحدث إلى شخص", "التحدث مع موظف", "इंसान से बात", "किसी व्यक्ति से बात"),
    *("поговорить с человеком", "поговорить с оператором", "соедините с оператором", "позовите оператора"),
)
_PERSON_WANTED = tuple(map(phrase, PERSON_WANTED))
# Before the phrase these turn it round: "I do not want to talk to a human".
_NOT = tuple(
    f"{negation}{wish}"
    for negation in ("do not ", "don t ", "dont ", "no need to ", "not ", "rather not ", "never ")
    for wish in ("", "want to ", "need to ", "have to ", "wish to ", "like to ")
)


def person_wanted(text: str, more: Iterable[str] = ()) -> str | None:
    """The words by which a text asks for a person, from what we know or from `more`; None where it does not."""
    read = Read.of(text)
    known = (*map(phrase, more), *_PERSON_WANTED)
    return next((one.words for one in known if one.is_in(read) and not _is_turned_round(one, read)), None)


def _is_turned_round(one: Phrase, read: Read) -> bool:
    before, _, _ = read.spaced.partition(f" {one.words} ")
    return f"{before} ".endswith(_NOT)


# --- claiming that something was done ---------------------------------------------------------------------------------

_DONE = (
    "sent emailed e mailed forwarded submitted booked scheduled cancelled canceled refunded reserved registered "
    "notified informed alerted escalated"
).split()
_CLAIMS = (
    *(
        f"{opening} {deed}"
        for opening in ("i have", "i ve", "i have just", "i ve just", "i have now")
        for deed in _DONE
    ),
    *(
        f"i {deed} {rest}"
        for deed in ("sent", "emailed", "forwarded", "booked")
        for rest in ("your", "the", "it", "them")
    ),
    *(f"{opening} passed {what}" for opening in ("i have", "i ve") for what in ("it", "this", "that", "your", "on")),
    *("i have told the team", "i ve told the team", "i have told our team", "i ve told our team"),
    *("i have let the team know", "i ve let the team know", "i have created a ticket", "i ve created a ticket"),
    *("i have opened a ticket", "i ve opened a ticket", "i have placed your order", "i ve placed your order"),
    *("j ai envoyé", "j ai transmis", "j ai réservé", "he enviado", "he reservado", "he cancelado"),
    *("nimetuma", "nimeshatuma", "nimewaarifu", "eu enviei", "我已经发送", "我已经通知", "我已经预订"),
)


def claim(text: str) -> str | None:
    """The words by which a reply says that it did something; None where it does not. A careful, short list."""
    read = Read.of(text)
    return next((one.words for one in map(phrase, _CLAIMS) if one.is_in(read)), None)
