"""Rule 1: nobody but the one door opens connections. Wrong imports planted in a copy are reported by the linters."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.environment import without_servers

ROOT = Path(__file__).resolve().parent.parent.parent
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()"]
RUFF = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--no-cache", "--output-format", "concise"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("copy")
    for package in ("chatzuri", "channels_inbound", "agents", "webhooks"):
        ignore = shutil.ignore_patterns("__pycache__", "static", "templates")
        shutil.copytree(ROOT / package, copy / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.fixture
def planted(copy: Path) -> Iterator[list[Path]]:
    files: list[Path] = []
    yield files
    for file in files:
        shutil.copy(ROOT / file.relative_to(copy), file)


def lint(command: list[str], folder: Path) -> tuple[int, str]:
    done = subprocess.run(command, cwd=folder, env=without_servers(), capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def plant(copy: Path, planted: list[Path], name: str, line: str) -> None:
    file = copy / name
    planted.append(file)
    file.write_text(file.read_text() + f"\n\n{line}\n")


def test_nothing_is_reported_as_it_is(copy: Path) -> None:
    assert lint(RUFF, copy)[0] == 0
    assert "One door out KEPT" in lint(LINT, copy)[1]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("webhooks/sending.py", "import requests"),
        ("agents/tools/webhook_trigger.py", "from urllib.request import urlopen"),
        ("agents/admin/forms.py", "import urllib.request"),
        ("webhooks/inspector.py", "from urllib3 import PoolManager"),
        ("chatzuri/relay.py", "import socket"),
        ("webhooks/answers.py", "from http.client import HTTPConnection"),
        ("agents/ledger.py", "import httpx"),
        ("webhooks/views.py", "from httpx2 import AsyncClient"),
        ("webhooks/admin/bins.py", "import ftplib"),
        ("agents/turns.py", "import dns.resolver"),
        ("webhooks/bodies.py", "from asyncio import open_connection"),
    ],
)
def test_a_second_door_is_seen_by_ruff(copy: Path, planted: list[Path], name: str, line: str) -> None:
    plant(copy, planted, name, line)
    code, text = lint(RUFF, copy)
    assert code != 0
    assert name in text
    assert "TID251" in text


def test_and_by_the_graph_of_imports_too_where_somebody_told_ruff_to_look_away(copy: Path, planted: list[Path]) -> None:
    plant(copy, planted, "webhooks/sending.py", "import requests  # noqa: TID251, F401, E402")
    plant(copy, planted, "agents/ledger.py", "import socket  # noqa: TID251, F401, E402")
    plant(copy, planted, "chatzuri/api.py", "import httpx2  # noqa: TID251, F401, E402")
    assert lint(RUFF, copy)[0] == 0
    code, text = lint(LINT, copy)
    assert code != 0
    assert "One door out BROKEN" in text
    for wrong in ("webhooks.sending -> requests", "agents.ledger -> socket", "chatzuri.api -> httpx2"):
        assert wrong in text
