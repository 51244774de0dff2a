"""The state machine of one delivery, walked through in every order in which its actors can act.

Two workers (claim, look at the clock, send, record), a reaper, a sweeper that wakes anybody again, time that passes,
and a kill at any moment. Plain breadth-first search over all reachable states; nothing is drawn at random. The same
walk with one guard left out finds the double request or the wrong word, so the walk sees what it is meant to see.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

WORKERS = (0, 1)
MAX_TOKENS = 3


@dataclass(frozen=True)
class Guards:
    """What the product does; a test leaves one out."""

    only_queued: bool = True  # the claim's condition
    commits_first: bool = True  # the claim is on disk before the socket opens
    checks_token: bool = True  # the condition of the record
    reaper_never_requeues: bool = True


@dataclass(frozen=True)
class Worker:
    """`step`: idle, woken, claimed (nothing left yet), sent (the request is out), or dead."""

    step: str = "idle"
    token: int = 0


@dataclass(frozen=True)
class World:
    state: str = "queued"
    token: int = 0
    tokens: int = 0
    late: bool = False  # the deadline of the claim has passed
    requests: int = 0
    senders: tuple[int, ...] = ()  # tokens under which a request left
    lies: bool = False  # a result was written by somebody whose claim it is not
    workers: tuple[Worker, Worker] = (Worker(), Worker())

    def with_worker(self, who: int, **changes: object) -> "World":
        workers = list(self.workers)
        workers[who] = replace(workers[who], **changes)  # type: ignore[arg-type]
        return replace(self, workers=(workers[0], workers[1]))


def steps(world: World, guards: Guards) -> Iterator[World]:
    """Every world that may come next."""
    yield from beats(world, guards)
    for who in WORKERS:
        worker = world.workers[who]
        if worker.step == "idle":
            yield world.with_worker(who, step="woken")  # by a message, by the same one again, or by the sweeper
        elif worker.step == "woken":
            yield from claims(world, who, guards)
        elif worker.step == "claimed":
            yield from sends(world, who)
        elif worker.step == "sent":
            yield records(world, who, guards)
        if worker.step != "dead":
            yield killed(world, who, guards)
        else:
            yield world.with_worker(who, step="idle", token=0)  # its supervisor starts a new one


def beats(world: World, guards: Guards) -> Iterator[World]:
    if world.state == "sending":
        yield replace(world, late=True)
        if world.late:
            yield replace(world, state="interrupted" if guards.reaper_never_requeues else "queued")


def claims(world: World, who: int, guards: Guards) -> Iterator[World]:
    unfinished = world.state in ("queued", "sending")
    if world.state == "queued" or (unfinished and not guards.only_queued):
        if world.tokens < MAX_TOKENS:
            token = world.tokens + 1
            taken = world.with_worker(who, step="claimed", token=token)
            taken = replace(taken, tokens=token)
            # Uncommitted, the row looks as before to everybody else.
            yield replace(taken, state="sending", token=token, late=False) if guards.commits_first else taken
    else:
        yield world.with_worker(who, step="idle")


def sends(world: World, who: int) -> Iterator[World]:
    """The request leaves; or the worker was held up and puts back what it never began."""
    token = world.workers[who].token
    yield replace(world.with_worker(who, step="sent"), requests=world.requests + 1, senders=(*world.senders, token))
    back = world.with_worker(who, step="idle", token=0)
    if world.state == "sending" and world.token == token:
        back = replace(back, state="queued", token=0, late=False)
    yield back


def records(world: World, who: int, guards: Guards) -> World:
    token, done = world.workers[who].token, world.with_worker(who, step="idle", token=0)
    mine = world.token == token or not guards.commits_first
    if world.state in ("sending", "interrupted", "queued") and (mine or not guards.checks_token):
        if world.state == "queued" and guards.commits_first:
            return done
        return replace(done, state="delivered", lies=world.lies or not mine)
    return done


def killed(world: World, who: int, guards: Guards) -> World:
    return world.with_worker(who, step="dead", token=0)


def walk(guards: Guards, start: World | None = None) -> set[World]:
    first = start or World()
    seen, fresh = {first}, [first]
    while fresh:
        found = {after for world in fresh for after in steps(world, guards)}
        fresh = [world for world in found if world not in seen and world.requests < 3]
        seen |= set(fresh)
    return seen


def twice(worlds: set[World]) -> list[World]:
    return [world for world in worlds if world.requests > 1]


def test_in_every_order_at_most_one_request_leaves():
    worlds = walk(Guards())
    assert len(worlds) > 200, "the walk ended early"
    assert twice(worlds) == []
    assert not any(world.lies for world in worlds)
    assert {world.state for world in worlds} == {"queued", "sending", "interrupted", "delivered"}


def test_in_every_order_the_state_never_claims_more_than_is_known():
    worlds = walk(Guards())
    assert all(world.requests == 1 for world in worlds if world.state == "delivered")
    assert all(world.requests == 0 for world in worlds if world.state == "queued")


def test_from_everywhere_an_end_can_be_reached():
    worlds = walk(Guards())
    for world in worlds:
        if world.tokens < MAX_TOKENS:
            assert any(after.state in ("interrupted", "delivered") for after in walk(Guards(), start=world))


@pytest.mark.parametrize("guard", ["only_queued", "commits_first", "reaper_never_requeues"])
def test_without_a_guard_the_walk_finds_a_second_request(guard):
    assert twice(walk(Guards(**{guard: False})))


def test_without_the_tokens_condition_a_stranger_writes_the_result():
    """A worker that was given up writes over the claim of the next one."""
    loose = Guards(checks_token=False, reaper_never_requeues=False)
    assert any(world.lies for world in walk(loose))
    assert not any(world.lies for world in walk(replace(loose, checks_token=True)))
