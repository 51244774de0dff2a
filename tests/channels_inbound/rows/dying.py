"""A web process that dies in the middle of a request: `python -m tests.channels_inbound.rows.dying MOMENT`.

The request comes as JSON (path, body, headers) on the standard input. The moments are names of the product's code, so
where one is gone this fails loudly instead of killing nobody.
"""

import json
import os
import signal
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatzuri.settings")
django.setup()

from django.test import Client  # noqa: E402

from channels_inbound import receiving, storing  # noqa: E402

MOMENTS: dict[str, tuple[Any, str]] = {
    "before the commit": (storing.prepared, "first"),
    "between commit and answer": (receiving, "wake_workers"),
}


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_when_storing(sql: str, values: Any) -> Any:
    """The channel is still found by the same function."""
    return die() if sql == storing._KEEP else FIRST(sql, values)


owner, name = MOMENTS[sys.argv[1]]
FIRST = storing.prepared.first
assert callable(getattr(owner, name))
setattr(owner, name, die_when_storing if name == "first" else die)
asked = json.loads(sys.stdin.read())
answer = Client().generic(
    "POST", asked["path"], asked["body"].encode(), content_type="application/json", headers=asked["headers"]
)
sys.exit(f"It did not die: it answered {answer.status_code}.")
