"""The snippets on an endpoint's page are run, in their languages, over 50 good messages and 50 altered ones."""

import base64
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from webhooks import signatures
from webhooks.admin import signing

RUNNERS = Path(__file__).parent / "snippets"
SECRET, OTHER = signatures.new_secret(), signatures.new_secret()
Message = tuple[str, str, str, bytes]
BODIES = (
    b"{}",
    b"",
    '{"name":"Zoë 🎉 </script>"}'.encode(),
    b'{"n":9007199254740993}\n',
    b"\x00\xff\r\n\t ",
    b"x" * 60_000,
)


def good(number: int, *, at: int | None = None, body: bytes | None = None) -> Message:
    """Every third one is signed with two secrets, in either order, as during a rotation."""
    secrets = [[SECRET], [SECRET, OTHER], [OTHER, SECRET]][number % 3]
    stamp = at if at is not None else int(time.time()) + (number % 5 - 2) * 60
    body = BODIES[number % len(BODIES)] + str(number).encode() if body is None else body
    made = signatures.headers(secrets, delivery_id=f"dlv_{number}", timestamp=stamp, body=body)
    return made["webhook-id"], made["webhook-timestamp"], made["webhook-signature"], body


def flipped(message: Message) -> Message:
    where = random.Random(message[0]).randrange(len(message[3]))
    body = bytearray(message[3])
    body[where] ^= 1
    return (*message[:3], bytes(body))


def with_signature(change: Callable[[str], str]) -> Callable[[Message], Message]:
    return lambda m: (m[0], m[1], " ".join(change(each) for each in m[2].split(" ")), m[3])


def of_another_secret(message: Message) -> Message:
    made = signatures.headers(OTHER, delivery_id=message[0], timestamp=int(message[1]), body=message[3])
    return message[0], message[1], made["webhook-signature"], message[3]


ALTERATIONS: tuple[Callable[[Message], Message], ...] = (
    flipped,
    lambda m: (m[0] + "x", *m[1:]),
    lambda m: (m[0], str(int(m[1]) + 1), *m[2:]),
    lambda m: (*m[:3], m[3] + b" "),
    of_another_secret,
    with_signature(lambda each: each[:-2]),
    with_signature(lambda each: each.replace("v1,", "v2,")),
    with_signature(lambda each: each.removeprefix("v1,")),
    with_signature(lambda each: "v1,"),
    lambda m: (m[0], m[1], "", m[3]),
    lambda m: ("", *m[1:]),
    lambda m: (m[0], "", *m[2:]),
    lambda m: (m[0], "-" + m[1], *m[2:]),
    lambda m: (m[0], m[1] + ".0", *m[2:]),
    lambda m: (m[0], "9" * 30, *m[2:]),
    lambda m: good(7, at=int(time.time()) - 400),
    lambda m: good(8, at=int(time.time()) + 400),
)


def fifty_and_fifty() -> list[Message]:
    """Made when they are needed: a message of five minutes ago is no good one."""
    altered = [ALTERATIONS[number % len(ALTERATIONS)](good(number)) for number in range(50)]
    return [good(number) for number in range(50)] + altered


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    path = tmp_path / "messages.tsv"
    lines = ["\t".join([*message[:3], base64.b64encode(message[3]).decode()]) for message in fifty_and_fifty()]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def script(program: str, snippet: str, runner: str) -> Callable[[Path], list[list[str]]]:
    return lambda folder: [[program, str(RUNNERS / runner), str(signing.FOLDER / snippet)]]


def go(folder: Path) -> list[list[str]]:
    sources = [str(shutil.copy(path, folder)) for path in (signing.FOLDER / "verify.go", RUNNERS / "run.go")]
    return [["go", "build", "-o", str(folder / "check"), *sources], [str(folder / "check")]]


def java(folder: Path) -> list[list[str]]:
    sources = [str(signing.FOLDER / "Verify.java"), str(RUNNERS / "Run.java")]
    return [["javac", "-encoding", "UTF-8", "-d", str(folder), *sources], ["java", "-cp", str(folder), "Run"]]


def csharp(folder: Path) -> list[list[str]]:
    sources = [str(signing.FOLDER / "Verify.cs"), str(RUNNERS / "Run.cs")]
    return [["mcs", "-r:System.Core", f"-out:{folder}/check.exe", *sources], ["mono", f"{folder}/check.exe"]]


# Language → the programs it needs, and the commands to run; the last one gets the file of messages.
LANGUAGES: dict[str, tuple[tuple[str, ...], Callable[[Path], list[list[str]]]]] = {
    "Python": (("python3",), script("python3", "verify.py", "run.py")),
    "Node": (("node",), script("node", "verify.js", "run.js")),
    "PHP": (("php",), script("php", "verify.php", "run.php")),
    "Ruby": (("ruby",), script("ruby", "verify.rb", "run.rb")),
    "Go": (("go",), go),
    "Java": (("javac", "java"), java),
    "C#": (("mcs", "mono"), csharp),
    "Shell": (("bash", "openssl"), script("bash", "verify.sh", "run.sh")),
}


def test_every_snippet_on_the_page_is_tested():
    assert list(LANGUAGES) == list(signing.SNIPPETS)


def test_the_messages_are_what_they_say():
    """By our own verdict; a snippet that only ever said yes, or no, would fail below."""
    now = time.time()
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    judged = [
        signatures.verify(SECRET, dict(zip(names, message, strict=False)), message[3], now=now).valid
        for message in fifty_and_fifty()
    ]
    assert judged == [True] * 50 + [False] * 50


@pytest.mark.parametrize("language", LANGUAGES)
def test_good_messages_pass_and_altered_ones_do_not(language, messages, tmp_path):
    programs, commands = LANGUAGES[language]
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"The {language} snippet was not run: {' and '.join(missing)} not on this machine.")
    environment = {**os.environ, "WEBHOOK_SECRET": SECRET, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
    *before, last = commands(tmp_path)
    for command in before:
        run(command, environment)
    judged = run([*last, str(messages)], environment).split()
    wrong = [number for number, word in enumerate(judged) if word != ("1" if number < 50 else "0")]
    assert len(judged) == 100
    assert wrong == []


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("language", "code"), signing.snippets(), ids=list(signing.SNIPPETS))
def test_a_snippet_names_our_headers_and_holds_no_secret(language, code):
    if language != "Shell":  # gets the values as arguments
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            assert name in code
    assert "300" in code
    assert not [word for word in code.split() if len(word.split("whsec_")[-1]) > 20 and "whsec_" in word]
