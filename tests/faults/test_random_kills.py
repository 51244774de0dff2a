"""K13 and K24: many deliveries, and processes that come and go while they are sent."""

import os
import secrets
import signal
import time

import pytest

from tests.factories import make_endpoint, make_team
from tests.faults.chaos import WORKER, Chaos
from tests.faults.system import EVENTS, RUNS, SECONDS, State, states
from webhooks.auditing import audit
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
MAYBE_SEEN = {State.DELIVERED, State.REJECTED, State.NO_ANSWER, State.INTERRUPTED}


def check(system, accepted):
    """The contract: one request at most, no row without an end, and no state that claims more than is known."""
    received = system.received()
    rows = dict(Delivery.objects.values_list("public_id", "state"))
    assert rows.keys() == accepted, "what was accepted is not what is stored"
    assert [key for key, times in received.items() if times > 1] == []
    assert received.keys() <= accepted
    assert [key for key, state in rows.items() if state == State.DELIVERED and not received[key]] == []
    assert [key for key in received if rows[key] not in MAYBE_SEEN] == []
    assert [key for key, state in rows.items() if state in (State.QUEUED, State.SENDING)] == []
    found = audit(whole=True)
    assert (found.accepted, found.findings) == (len(accepted), [])
    return found


def test_k13_a_rolling_restart_under_two_hundred_a_second(system, tally):
    """Warm first; and what is not gone after a moment is killed."""
    endpoints = [system.endpoint(mode, concurrency=32) for mode in ("ok", "ok", "slow-300")]
    workers, accepted = [system.start(**WORKER) for _ in range(2)], set()
    seconds = 4 if RUNS == 1 else min(RUNS, 60)
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        while len(accepted) < now * 200:
            accepted.add(system.publish(endpoints[len(accepted) % 3]).public_id)
        if int(now) % 2 and len(workers) < 2 + int(now):
            old = workers[-2]
            old.signal(signal.SIGTERM)
            workers.append(system.start(**WORKER))
            old.signal(signal.SIGKILL) if len(workers) % 2 else None
        time.sleep(0.005)
    system.worker(**WORKER)
    system.settle(seconds=60 + len(accepted) / 50)
    check(system, accepted)
    tally(runs=len(accepted))


def test_k24_random_kills_of_everything(system, tally, capsys):
    seed = int(os.environ.get("FAULT_SEED") or secrets.randbelow(10**9))
    teams = [make_team() for _ in range(3)]
    modes = ["mixed", "mixed", "ok", "slow-100", "mixed", "503"]
    endpoints = [make_endpoint(team=teams[n % 3], url=system.url(mode), concurrency=32) for n, mode in enumerate(modes)]
    chaos, accepted, began = Chaos(system, seed=seed), set(), time.monotonic()
    for pause in chaos.pauses(seconds=SECONDS):
        until = time.monotonic() + pause
        while time.monotonic() < until:
            if len(accepted) < min(EVENTS, EVENTS * (time.monotonic() - began) / SECONDS):
                accepted.add(system.publish(chaos.dice.choice(endpoints)).public_id)
            else:
                time.sleep(0.003)
        chaos.strike()
    while len(accepted) < EVENTS:
        accepted.add(system.publish(chaos.dice.choice(endpoints)).public_id)
    chaos.calm()
    system.settle(seconds=90 + EVENTS / 50)
    found = check(system, accepted)
    tally(runs=1)
    with capsys.disabled():
        print(f"\nK24: seed {seed}, {EVENTS} accepted in {SECONDS:.0f} s, {system.received().total()} requests")
        print(f"     faults: {dict(sorted(chaos.done.items()))}\n     sums: {states()}\n     {found}")
