"""`make demo`: plays the main job on a temporary instance, prints what happened, and fails if it did not.

A customer writes, the agent calls `webhook_trigger`, one signed POST arrives, the reply names the outcome.
Then the receiver answers 503: the agent is told, the log says *rejected 503*, and no second request comes.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from dev.environment import for_address
from dev.run import ROOT, CannotRun, choose_port, commands, manage, wait_for_login
from dev.supervisor import Supervisor

MESSAGE = "Could somebody call me back about a quote? I am Amina, amina@example.com"


class DemoFailed(Exception):
    """Something did not happen as promised; the text says what."""


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DemoFailed(otherwise)


class Visitor:
    """Talks to the agent as a customer's backend would, through the API alone."""

    def __init__(self, *, url: str, agent: str, key: str) -> None:
        self.url, self.agent = url, agent
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Authorization"] = f"Bearer {key}"

    def say(self, text: str, *, user: str) -> dict[str, Any]:
        print(f"\n  {user}: {text}")
        path = f"{self.url}/api/v1/agents/{self.agent}/chat"
        answer = self.http.post(path, json={"message": text, "user_id": user}, timeout=90)
        expect(answer.status_code == 200, f"the chat answered {answer.status_code}: {answer.text[:500]}")
        turn: dict[str, Any] = answer.json()
        print(f"  agent: {turn['reply']}")
        return turn

    def talk_until_fired(self, *, user: str) -> dict[str, Any]:
        """The offline matcher asks before it acts, so the visitor may have to answer."""
        turn = self.say(MESSAGE, user=user)
        for _ in range(5):
            if turn["actions"]:
                return turn
            turn = self.say(_answer(turn["reply"]), user=user)
        raise DemoFailed("the agent never called its tool")

    def delivery(self, public_id: str) -> dict[str, Any]:
        answer = self.http.get(f"{self.url}/api/v1/deliveries/{public_id}", timeout=10)
        expect(answer.status_code == 200, f"the delivery answered {answer.status_code}")
        return dict(answer.json())


def _answer(question: str) -> str:
    """A visitor who wants to be called back: agrees, gives what is asked, else picks the first thing on offer."""
    asked = question.lower()
    if "yes" in asked or "shall i" in asked:
        return "yes"
    if "e-mail" in asked or "phone" in asked or "reach you" in asked:
        return "amina@example.com"
    if "name" in asked:
        return "Amina"
    return "1"


def play(*, visitor: Visitor) -> None:
    from webhooks.models import Bin

    caught = Bin.objects.get(name="Demo inspector")
    heading("A customer writes, and a signed POST arrives")
    turn = visitor.talk_until_fired(user="amina")
    show(visitor=visitor, turn=turn, caught=caught, requests_seen=1, outcome="delivered")
    request = caught.requests.get()
    expect(request.verdict == "valid", f"the inspector says the signature is {request.verdict}: {request.reason}")
    print(f"  inspector: signature {request.verdict}; body {bytes(request.body).decode()}")

    heading("The receiver answers 503: the agent is told, and nothing is sent again")
    Bin.objects.filter(pk=caught.pk).update(answer_status=503)
    turn = visitor.talk_until_fired(user="brian")
    show(visitor=visitor, turn=turn, caught=caught, requests_seen=2, outcome="rejected")
    time.sleep(3)
    expect(caught.requests.count() == 2, "a second request came for the failed delivery")
    print("  three seconds later: still exactly one request for it")


def show(*, visitor: Visitor, turn: dict[str, Any], caught: Any, requests_seen: int, outcome: str) -> None:
    expect(len(turn["actions"]) == 1, f"expected one action, got {turn['actions']}")
    action = turn["actions"][0]
    delivery = visitor.delivery(action["delivery_id"])
    print(f"  action: {action['tool']} → {action['status']}, delivery {action['delivery_id']}")
    print(f"  log: {delivery['label']}. {delivery['sentence']}")
    expect(delivery["state"] == outcome, f"expected {outcome}, the log says {delivery['state']}")
    expect(caught.requests.count() == requests_seen, f"the inspector has seen {caught.requests.count()} requests")
    if outcome == "rejected":
        expect(delivery["label"] == "rejected 503", f"the log says {delivery['label']}")
        expect("503" in turn["reply"], "the agent's reply hides that it failed")


def heading(text: str) -> None:
    print(f"\n── {text} " + "─" * max(4, 90 - len(text)))


def seeded(environment: dict[str, str], folder: Path) -> dict[str, str]:
    manage("migrate", "--no-input", environment=environment)
    printed = manage("seed_demo", "--key-file", str(folder / "key"), environment=environment)
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in printed.splitlines())}


def run(folder: Path) -> None:
    port = choose_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, **for_address(url=url)}
    os.environ.update(environment)
    supervisor = Supervisor(note=folder / "children.json", logs=folder, environment=environment, directory=ROOT)
    try:
        seed = seeded(environment, folder)
        for name, command in commands(port=port).items():
            if name != "beat":
                supervisor.start(name=name, command=command)
        wait_for_login(url=url, supervisor=supervisor)
        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatzuri.settings")
        django.setup()
        play(visitor=Visitor(url=url, agent=seed["agent"], key=seed["API key"]))
    except DemoFailed:
        for log in sorted(folder.glob("*.log")):
            print(f"\n{log.name}:\n" + "\n".join(log.read_text().splitlines()[-30:]), file=sys.stderr)
        raise
    finally:
        supervisor.stop()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="chatzuri-demo-") as folder:
        try:
            run(Path(folder))
        except (DemoFailed, CannotRun, subprocess.SubprocessError) as failure:
            print(f"\nThe demo failed: {failure}", file=sys.stderr)
            return 1
    print("\nThe main job works.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
