"""What a worker stands on gives way: the database, the clock, the disk, the receiver's connection, our own proxy."""

import signal
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from django.db import connection
from django.utils import timezone

from tests.factories import make_delivery
from tests.faults.system import State, database_away, long_ago, runs, state_of, states, until
from webhooks import sending
from webhooks.auditing import audit
from webhooks.models import Attempt

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("comes_back", [True, False], ids=["k9", "k9-killed"])
def test_k9_the_database_is_away_when_the_outcome_is_written(system, tally, comes_back):
    for _ in runs():
        delivery = system.publish(system.endpoint("slow-600"))
        worker = system.worker()
        system.arrived(delivery)
        with database_away():
            until(lambda worker=worker: "wait to be recorded" in worker.said())
            worker.signal(signal.SIGSTOP) if comes_back else worker.kill()
        system.later()
        assert state_of(delivery) == State.INTERRUPTED
        worker.signal(signal.SIGCONT)
        if comes_back:
            until(lambda delivery=delivery: state_of(delivery) == State.DELIVERED)
        worker.kill()
        assert system.received()[delivery.public_id] == 1
    assert states() == {State.DELIVERED if comes_back else State.INTERRUPTED: len(runs())}
    tally(runs=len(runs()))


@pytest.mark.parametrize(
    ("who", "hours"),
    [("worker", 1), ("worker", -1), ("beat", 1), ("beat", -1)],
    ids=["k14-worker-ahead", "k14-worker-behind", "k14-beat-ahead", "k14-beat-behind"],
)
def test_k14_a_clock_is_an_hour_off(system, tally, who, hours):
    """Claims go by the database's clock. What beat sends must not be thrown away as too old either."""
    skew = {"clock": hours * 3600}
    system.worker(**(skew if who == "worker" else {}))
    system.start("beat", every=0.3, **(skew if who == "beat" else {}))
    for _ in runs(at_most=50):
        delivery = make_delivery(endpoint=system.endpoint())  # its wake-up is lost: the sweeper has to find it
        long_ago()
        until(lambda delivery=delivery: state_of(delivery) == State.DELIVERED, why="nobody swept")
        assert system.received()[delivery.public_id] == 1
        assert abs((timezone.now() - Attempt.objects.get(delivery=delivery).finished_at).total_seconds()) < 60
    tally(runs=len(runs(at_most=50)))


def test_k15_a_receiver_that_keeps_connections_open_and_resets(system, tally):
    system.worker()
    for _ in runs():
        kept, reset = system.publish(system.endpoint("ok")), system.publish(system.endpoint("reset"))
        until(lambda kept=kept, reset=reset: (state_of(kept), state_of(reset)) == (State.DELIVERED, State.NO_ANSWER))
        assert system.received()[kept.public_id] == system.received()[reset.public_id] == 1
    tally(runs=len(runs()))


@pytest.mark.parametrize(
    ("mode", "state"),
    [("307", State.REJECTED), ("401", State.REJECTED), ("reset", State.NO_ANSWER)],
    ids=["k16-307", "k16-digest", "k16-two-addresses"],
)
def test_k16_receivers_that_invite_a_second_request(system, tally, mode, state):
    system.worker(two_addresses=mode == "reset")
    for _ in runs():
        delivery = system.publish(system.endpoint(mode))
        until(lambda delivery=delivery: state_of(delivery) == state)
    time.sleep(0.3)
    assert (set(system.received().values()), system.received().total()) == ({1}, len(runs()))
    tally(runs=len(runs()))


@contextmanager
def refusing(delivery):
    """The disk is full, or a constraint is in the way: the row of this attempt takes no outcome."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON webhooks_attempt FOR EACH ROW"
            f" WHEN (OLD.delivery_id = {delivery.pk}) EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")


def test_k22_the_row_refuses_its_outcome(system, tally, caplog):
    system.worker(patience=1.0)
    for _ in runs(at_most=20):
        bad = make_delivery(endpoint=system.endpoint(concurrency=8))
        with refusing(bad):
            others = [make_delivery(endpoint=bad.endpoint) for _ in range(3)]
            system.publish(bad.endpoint)
            system.arrived(bad)
            until(lambda others=others: {state_of(each) for each in others} == {State.DELIVERED}, seconds=30)
            long_ago()
            sending.reap()
        assert state_of(bad) == State.INTERRUPTED
        assert any(bad.public_id in finding for finding in audit().findings)
        assert any(bad.public_id in record.getMessage() for record in caplog.records if record.levelname == "ERROR")
        Attempt.objects.filter(delivery=bad).update(outcome="interrupted", finished_at=timezone.now())
    assert set(system.received().values()) == {1}
    assert states() == {State.INTERRUPTED: len(runs(at_most=20)), State.DELIVERED: 4 * len(runs(at_most=20))}
    tally(runs=len(runs(at_most=20)))


class Proxy:
    """A forward proxy that opens tunnels and can be cut in mid-flight."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port, self.open = self.server.getsockname()[1], []
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        with suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        for each in [self.server, *self.open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                self.open.append(client)
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        with suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(1)
            host, _, port = head.split()[1].decode().rpartition(":")
            upstream = socket.create_connection((host, int(port)))
            self.open.append(upstream)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=self._pump, args=(upstream, client), daemon=True).start()
            self._pump(client, upstream)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)


def test_k23_our_own_proxy_goes_away_in_mid_flight(system, tally):
    for _ in runs(at_most=50):
        proxy = Proxy()
        worker = system.worker(proxy=["127.0.0.1", proxy.port])
        through = system.publish(system.endpoint())
        until(lambda through=through: state_of(through) == State.DELIVERED)
        assert proxy.open, "the request went past the proxy"
        cut = system.publish(system.endpoint("slow-3000"))
        system.arrived(cut)
        proxy.cut()
        until(lambda cut=cut: state_of(cut) == State.NO_ANSWER)
        after = system.publish(system.endpoint())
        until(lambda after=after: state_of(after) == State.NOT_SENT)
        worker.kill()
        received = system.received()
        assert [received[each.public_id] for each in (through, cut, after)] == [1, 1, 0]
    tally(runs=len(runs(at_most=50)))
