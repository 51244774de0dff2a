"""What docs/custom-actions.md says is tried: its commands run, its code works, its numbers are those of the product."""

import hashlib
import hmac
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as product

from agents import actions, ledger, library, parameters, running
from agents.sandbox import Limits
from chatzuri.credentials import KINDS
from tests.factories import install, make_action, make_agent, make_api_key, make_credential, make_team
from webhooks import hops, masking

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "custom-actions.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(command: str, environment: dict[str, str]) -> list[Any]:
    """What each of the commands printed, in order; deleting prints nothing."""
    single = re.split(r"\n(?=curl )", command.strip())
    return [json.loads(printed) if printed else None for printed in (run(one, environment) for one in single)]


def test_the_commands_work_in_the_order_of_the_page(live_server, worker):
    team = make_team()
    agent = make_agent(team=team)
    environment = {"CHATZURI": live_server.url, "KEY": make_api_key(team=team), "AGENT": agent.public_id}
    environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    tried, made, versions, installed, used, removed = blocks("sh")

    [tested] = answers(tried, environment)
    shown = json.loads(blocks("json")[0].replace("run_…", tested["id"]))
    assert {name: tested[name] for name in shown if name != "milliseconds"} == {
        name: value for name, value in shown.items() if name != "milliseconds"
    }
    [saved] = answers(made, environment)
    assert (saved["version"], saved["warning"]) == (1, None)
    environment["ACTION"] = saved["id"]
    changed, listed, restored = answers(versions, environment)
    assert (changed["version"], len(listed["versions"]), restored["version"]) == (2, 2, 3)
    credentials, tool = answers(installed, environment)
    assert (credentials, tool["calls_per_conversation"]) == ({"credentials": []}, 3)
    called, runs = answers(used, environment)
    assert (called["status"], called["structured"]["result"]["data"]) == ("fired", {"hello": "Asha"})
    assert [one["purpose"] for one in runs["runs"]] == ["call"]
    assert answers(removed, environment) == [None, None]


def test_its_code_does_what_it_says(worker, receiver):
    team = make_team()
    [code] = blocks("js")
    action = make_action(team=team, code=code)
    credential = make_credential(team=team, values={"webhook_url": receiver.url})
    tool = install(action=action, credential=credential, config={"list": "leads"})
    made = ledger.call(agent=tool.agent, tool_name=tool.name, arguments={}, key="page")
    [got] = receiver.wait_for(1)
    done = ledger.wait(made, timeout=20)
    assert json.loads(got.body) == {"list": "leads"}
    assert done.result["structured"]["result"] == {"success": True, "data": {"ok": True}}


def test_its_check_of_a_signature_accepts_ours_and_no_other():
    [code] = blocks("python")
    scope: dict[str, Any] = {}
    exec(code, scope)
    body, timestamp = b'{"a":1}', str(int(time.time()))

    def headers(secret: str, at: str = timestamp) -> dict[str, str]:
        signature = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"X-Timestamp": at, "X-Signature": signature}

    assert scope["is_genuine"](headers("right"), body, "right")
    assert not scope["is_genuine"](headers("wrong"), body, "right")
    assert not scope["is_genuine"](headers("right"), body + b" ", "right")
    assert not scope["is_genuine"](headers("right", str(int(time.time()) - 600)), body, "right")
    assert not scope["is_genuine"]({}, body, "right")


def test_its_numbers_are_those_of_the_product():
    limits = Limits()
    kilobytes = {"log_bytes": limits.log_bytes, "line_bytes": limits.line_bytes, "code": limits.code}
    assert {name: size // 1024 for name, size in kilobytes.items()} == {"log_bytes": 64, "line_bytes": 8, "code": 64}
    assert (limits.request_body, limits.response_body, limits.result) == (2**20, 2 * 2**20, 2**20)
    assert (limits.fetches, limits.fetches_at_once, limits.lines, limits.error) == (50, 6, 200, 2000)
    assert (actions.MAX_CODE, actions.MOST_OF_A_TEAM, running.MOST_WAITING) == (64 * 1024, 200, 20)
    assert (parameters.MOST, hops.MOST_HOPS, masking.SHORTEST) == (50, 5, 6)
    assert (product.ACTION_SECONDS, product.ACTIONS_PER_TEAM) == (10, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_credential_is_in_its_table(kind):
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` | ")]
    for field in KINDS[kind].fields:
        assert f"`{field.name}`" in line
    for host in KINDS[kind].hosts:
        assert f"`{host}`" in line


def test_every_ready_action_and_every_type_is_there():
    for ready in library.READY.values():
        assert f"| {ready.title}" in PAGE, ready.title
        for name in ready.config_example:
            assert f"`{name}`" in PAGE
    for name in (*parameters.TYPES, *parameters.FORMAT_CHOICES, *parameters.FILLED):
        assert f"`{name}`" in PAGE
