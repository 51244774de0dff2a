"""Whole words and phrases in any language; asking for a person; claiming that something was done."""

import pytest

from agents import phrases


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("refund", "I want a REFUND!"),
        ("refund", "refund"),
        ("money back", "my money,  back please"),
        ("Geld zurück", "Ich will mein GELD ZURÜCK."),
        ("don't", "I don’t know"),
        ("24/7", "Are you open 24/7?"),
        ("c++", "I write C++, mostly"),
        ("退款", "我要退款，谢谢"),
        ("退 款", "我要退款"),
        ("คืนเงิน", "ขอคืนเงินด้วย"),
        ("वापसी", "मुझे वापसी चाहिए"),
        ("استرداد", "أريد استرداد أموالي"),
        ("возврат", "Нужен ВОЗВРАТ денег"),
        ("🔥", "so 🔥 now"),
        ("ｒｅｆｕｎｄ", "refund"),
    ],
)
def test_words_are_found_whatever_the_case_script_and_punctuation(word, text):
    assert phrases.first_of(["nothing of that", word], text) == word


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("refund", "this is refundable"),
        ("refund", "prerefund"),
        ("money back", "back with the money"),
        ("c++", "the letter c"),
        ("वाप", "मुझे वापसी चाहिए"),
        ("", "anything"),
        ("...", "anything ..."),
        (".*", "anything"),
        ("(a+)+$", "aaaaaaaa"),
    ],
)
def test_parts_of_words_and_patterns_match_nothing(word, text):
    assert phrases.first_of([word], text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Can I talk to a human?",
        "I'd like to SPEAK WITH your manager!!",
        "please connect me to a real person",
        "Nataka kuongea na mtu tafadhali",
        "Je voudrais parler à quelqu’un",
        "quiero hablar con una persona",
        "Ich möchte mit einem Menschen sprechen.",
        "Posso falar com um atendente?",
        "saya mahu bercakap dengan orang",
        "我要转人工",
        "मुझे इंसान से बात करनी है",
        "أريد التحدث مع شخص من فضلك",
        "хочу поговорить с человеком",
    ],
)
def test_asking_for_a_person_is_recognised(text):
    assert phrases.person_wanted(text)


@pytest.mark.parametrize(
    "text",
    [
        "I am the manager of a shop",
        "How many people work for you?",
        "I do not want to talk to a human",
        "I don't need to speak to a manager, just tell me the price",
        "do you ship to humans?",
        "I want to talk to",
        "hello",
        "",
    ],
)
def test_other_texts_do_not_ask_for_a_person(text):
    assert phrases.person_wanted(text) is None


def test_an_agents_own_phrases_count_too():
    assert phrases.person_wanted("Naomba fundi wa kibinadamu") is None
    assert phrases.person_wanted("Naomba fundi wa kibinadamu", ["", "Fundi wa kibinadamu"]) == "fundi wa kibinadamu"


@pytest.mark.parametrize(
    "text",
    [
        "I have sent your details to the team.",
        "I’ve just booked it for you!",
        "Done: I sent the invoice.",
        "J'ai envoyé votre demande.",
        "Nimetuma ombi lako.",
        "我已经通知了团队。",
    ],
)
def test_claims_are_recognised(text):
    assert phrases.claim(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hello! How can I help?",
        "Shall I send your details?",
        "I have not sent anything yet.",
        "I can book that for you.",
        "Your order has been sent, says the page.",
        "You have sent us a message.",
        "",
    ],
)
def test_careful_replies_are_no_claims(text):
    assert phrases.claim(text) is None


def test_texts_that_differ_in_nothing_that_matters_are_equal():
    assert phrases.normalised(" Where is  my ORDER?? ") == phrases.normalised("where is my order")
    assert phrases.normalised("where is my order") != phrases.normalised("where was my order")
