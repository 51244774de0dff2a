"""A wrong start says what to set: each case is a real start of Django in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def start(**changes: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in (os.environ | changes).items() if value != "unset"}
    command = [sys.executable, "-c", "import django, os; django.setup()"]
    environment["DJANGO_SETTINGS_MODULE"] = "chatzuri.settings"
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SECRET_KEY", "unset", "SECRET_KEY is not set"),
        ("SECRET_KEY", "short", "SECRET_KEY is too short"),
        ("FIELD_ENCRYPTION_KEYS", "unset", "FIELD_ENCRYPTION_KEYS is not set. Make one with"),
        ("FIELD_ENCRYPTION_KEYS", "k1:notbase64!", "32-byte keys"),
        ("DATABASE_URL", "unset", "DATABASE_URL is not set"),
        ("DATABASE_URL", "mysql://a@b/c", "DATABASE_URL must start with postgres://"),
        ("REDIS_URL", "unset", "REDIS_URL is not set"),
        ("REDIS_URL", "http://x", "REDIS_URL must start with redis://"),
        ("PUBLIC_URL", "unset", "PUBLIC_URL is not set"),
        ("DEBUG", "yes please", "Set it to true or false"),
        ("DELIVERY_THREADS", "many", "DELIVERY_THREADS is not right"),
        ("ALLOWED_PORTS", "https", "ALLOWED_PORTS is not right"),
    ],
)
def test_a_wrong_variable_stops_the_start_with_a_sentence(name, value, sentence):
    result = start(**{name: value})
    assert result.returncode != 0
    assert sentence in result.stderr.splitlines()[-1]


def variables() -> set[str]:
    source = (ROOT / "chatzuri" / "settings.py").read_text()
    calls = r'(?:required|boolean|service_url|env\.\w+)\(\s*"([A-Z_]+)"|read\([\w.]+,\s*"([A-Z_]+)"'
    return {first or second for first, second in re.findall(calls, source)}


@pytest.mark.parametrize("document", [".env.example", "docs/settings.md"])
def test_every_variable_is_documented(document):
    text = (ROOT / document).read_text()
    assert len(variables()) > 14
    assert [name for name in variables() if name not in text] == []
