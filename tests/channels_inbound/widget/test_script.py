"""The script as a file: small, and without anything that a strict content security policy would stop."""

import gzip
import re
from pathlib import Path

import pytest

from channels_inbound.adapters import ADAPTERS
from channels_inbound.widget import appearance

SCRIPT = Path(__file__).resolve().parents[3] / "channels_inbound/static/channels_inbound/widget.js"
FORBIDDEN = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "document.cookie",
]


def test_it_is_small() -> None:
    assert len(gzip.compress(SCRIPT.read_bytes(), 9)) < 15 * 1024


@pytest.mark.parametrize("word", FORBIDDEN)
def test_it_never_turns_text_into_markup_or_code(word: str) -> None:
    assert word not in SCRIPT.read_text()


def test_it_loads_nothing_from_anywhere_else() -> None:
    addresses = set(re.findall(r"https?://[\w.]+[^\s\"'`]*", SCRIPT.read_text()))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_every_setting_of_the_channel_is_read() -> None:
    source = Path(appearance.__file__).read_text()
    names = [each.name for each in ADAPTERS["website"].settings]
    assert [name for name in names if f'"{name}"' not in source] == []
