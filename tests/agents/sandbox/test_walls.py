"""The walls of the operating system alone: what is left for somebody who already has all of Deno's permissions.

The command line is made here, with --allow-all: the product has no such option.
"""

import base64
import json
import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from agents.sandbox.contract import SandboxUnavailable
from agents.sandbox.process import Child, Litter, command
from agents.sandbox.walls import REQUIRED, layers, missing

# Each is JavaScript that returns something when it succeeds, and throws or returns -1 when it is denied. `c` are
# functions of the C library, `text` makes a C string.
FILES = {
    "read a file": "return Deno.readTextFileSync('/etc/passwd')",
    "read a file through C": "return c.open(text('/etc/passwd'), 0)",
    "read the product": "return Deno.readTextFileSync(product)",
    "list a folder": "return [...Deno.readDirSync('/')].length",
    "list libraries": "return [...Deno.readDirSync('/lib64')].length",
    "read the environment of a process": "return Deno.readTextFileSync('/proc/self/environ')",
    "read the memory map": "return Deno.readTextFileSync('/proc/self/maps')",
    "read about the host's process": "return Deno.readTextFileSync(`/proc/${host}/cmdline`)",
    "write a file": "return Deno.writeTextFileSync('/tmp/sandbox-was-here', 'x') ?? 1",
    "write shared memory": "return Deno.writeTextFileSync('/dev/shm/sandbox-was-here', 'x') ?? 1",
    "make a folder": "return Deno.mkdirSync('/tmp/sandbox-was-here') ?? 1",
    "make a link": "return Deno.symlinkSync('/etc/passwd', '/tmp/sandbox-was-here') ?? 1",
}
CALLS = {
    "start a program": "return new Deno.Command('/bin/sh', {args: ['-c', 'id']}).outputSync().code",
    "fork": "return c.fork()",
    "become another program": "return c.execve(text('/bin/sh'), null, null)",
    "trace a process": "return c.ptrace(16, host, null, null)",
    "become root": "return c.setuid(0)",
    "leave the namespaces": "return c.unshare(0x10000000)",
    "open a socket": "return c.socket(2, 1, 0)",
    "connect": "return (await Deno.connect({hostname: '127.0.0.1', port})).rid ?? 1",
    "listen": "return Deno.listen({hostname: '127.0.0.1', port: 0}).addr.port",
    "connect to a socket file": "return (await Deno.connect({transport: 'unix', path: '/run/x'})).rid ?? 1",
    "look a name up": "return (await Deno.resolveDns('example.com', 'A')).length",
    "look at the network": "return c.socket(16, 3, 0)",
    "signal the host": "return c.kill(host, 0)",
    "signal the host's threads": "return c.syscall(234, host, host, 0)",
    "change the host's limits": "return c.prlimit(host, 7, null, new BigUint64Array(2))",
    "be root in the kernel's eyes": "return c.syscall(272, 0x10000000, 0, 0)",
    "make a file of memory": "return c.syscall(319, 0, 0, 0)",
    "unset the death signal": "return c.prctl(1, 0, 0, 0, 0)",
}
MEMORY = {
    "memory to write and run": "return c.mmap(null, 4096n, 7, 34, -1, 0n)",
    "memory written, then run": (
        "const p = c.mmap(null, 4096n, 3, 34, -1, 0n); return c.mprotect(Deno.UnsafePointer.create(p), 4096n, 5)"
    ),
}
PROBES = {"landlock": FILES, "seccomp": CALLS, "no write then execute": MEMORY}
PROBE = """
const {host, port, product, probes} = JSON.parse(SETTINGS);
const text = (words) => new TextEncoder().encode(words + "\\0");
const int = "i32", ptr = "pointer", buf = "buffer", big = "u64";
const library = Deno.dlopen("libc.so.6", {
  open: {parameters: [buf, int], result: int}, fork: {parameters: [], result: int},
  execve: {parameters: [buf, ptr, ptr], result: int}, ptrace: {parameters: [int, int, ptr, ptr], result: "i64"},
  setuid: {parameters: [int], result: int}, unshare: {parameters: [int], result: int},
  socket: {parameters: [int, int, int], result: int}, kill: {parameters: [int, int], result: int},
  prlimit: {parameters: [int, int, ptr, buf], result: int},
  syscall: {parameters: ["i64", "i64", "i64", "i64"], result: "i64"},
  prctl: {parameters: [int, big, big, big, big], result: int},
  mmap: {parameters: [ptr, big, int, int, int, big], result: "i64"},
  mprotect: {parameters: [ptr, big, int], result: int},
  getpid: {parameters: [], result: int},
});
const c = library.symbols;
const found = {"the library works": c.getpid() === Deno.pid ? "yes" : "no"};
for (const [name, code] of Object.entries(probes)) {
  try {
    const value = await new (async function () {}).constructor("c", "text", "host", "port", "product", code)(
      c, text, host, port, product);
    found[name] = Number(value) === -1 ? "denied" : `got ${String(value).slice(0, 100)}`;
  } catch (error) {
    found[name] = `denied: ${error.name} ${error.message}`.slice(0, 200);
  }
}
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(found)));
Deno.exit(0);
"""


@pytest.fixture(scope="module")
def walls() -> dict[str, str]:
    return layers()


@pytest.fixture(scope="module")
def listening() -> Iterator[int]:
    server = socket.create_server(("127.0.0.1", 0))
    yield server.getsockname()[1]
    server.close()


def program(probes: dict[str, str], port: int) -> list[str]:
    settings = {"host": os.getpid(), "port": port, "product": __file__, "probes": probes}
    code = f"const SETTINGS = {json.dumps(json.dumps(settings))};{PROBE}"
    words = [part.replace(",--disallow-code-generation-from-strings", "") for part in command()]
    words = [part for part in words[:-1] if part != "--deny-import"]
    return [*words, "--allow-all", "data:text/javascript;base64," + base64.b64encode(code.encode()).decode()]


@pytest.fixture(scope="module")
def probed(listening: int) -> dict[str, str]:
    found = speak(program({name: code for probes in PROBES.values() for name, code in probes.items()}, listening))
    assert found.pop("the library works") == "yes"
    return found


def speak(words: list[str]) -> dict[str, str]:
    """What a sandbox with this command line says until it ends."""
    litter = Litter(relaxed=False, size=1, program=tuple(words))
    child = litter.start()
    try:
        said = listen(child)
        assert said, child.errors.decode()
        return dict(json.loads(said))
    finally:
        child.kill()
        child.reap()
        litter.close()


def listen(child: Child) -> bytes:
    poll, said, until = select.poll(), b"", monotonic() + 20
    poll.register(child.stdout, select.POLLIN)
    while monotonic() < until:
        data = child.read() if poll.poll(1000) else None
        if data == b"":
            child.wait(1)
            return said
        said += data or b""
    return said


@pytest.mark.parametrize(
    ("wall", "probe"), [(wall, probe) for wall, probes in PROBES.items() for probe in probes], ids=str
)
def test_the_walls_hold_without_deno(
    wall: str, probe: str, walls: dict[str, str], request: pytest.FixtureRequest
) -> None:
    if not walls[wall].startswith("on"):
        pytest.skip(f"this kernel has no {wall}: {walls[wall]}")

    assert request.getfixturevalue("probed")[probe].startswith("denied")


HARMLESS = ["read a file", "read a file through C", "list a folder", "start a program", "open a socket", "connect"]
HARMLESS += ["listen", "signal the host", "unset the death signal", "memory to write and run"]


def test_without_the_walls_the_same_probes_get_through(listening: int) -> None:
    """Otherwise the test above would prove nothing."""
    everything = FILES | CALLS | MEMORY
    words = program({name: everything[name] for name in HARMLESS}, listening)

    found = json.loads(subprocess.run(words, capture_output=True, timeout=20, check=True).stdout)

    assert [name for name in HARMLESS if not found[name].startswith("got")] == []


def test_the_required_walls_stand_here(walls: dict[str, str]) -> None:
    assert missing(walls) == []
    assert walls["deno permissions"] == "none granted"
    assert set(REQUIRED) < set(walls)


def test_a_missing_wall_is_missed() -> None:
    walls = {"deno permissions": "granted: read", "rlimits": "on", "seccomp": "unavailable: Function not implemented"}

    assert missing(walls) == ["deno permissions", "seccomp"]


def test_a_program_that_is_not_there_is_no_sandbox() -> None:
    litter = Litter(relaxed=False, size=1, program=("/nonexistent/deno",))
    with pytest.raises(SandboxUnavailable, match="No such file"):
        litter.start()
    litter.close()


def said_by(*program: str) -> str:
    litter = Litter(relaxed=False, size=1, program=program)
    child = litter.start()
    try:
        return listen(child).decode() or child.errors.decode()
    finally:
        child.kill()
        child.reap()
        litter.close()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_sandbox_has_no_pipe_of_its_neighbours(victim: int) -> None:
    """Neither of one that was started before nor of one after it: else the end of that one would not be seen."""
    litter = Litter(relaxed=False, size=2)
    children = [litter.start(), litter.start()]
    try:
        dead = children[victim]
        assert [listen_once(child) for child in children] == [True, True]
        os.kill(dead.pid, signal.SIGKILL)
        poll = select.poll()
        for pipe in (dead.stdout, dead.stderr):
            poll.register(pipe, 0)
        until = monotonic() + 5
        while len(poll.poll(100)) < 2:
            assert monotonic() < until, "somebody else has them open"
        with pytest.raises(BrokenPipeError):
            os.write(dead.stdin, b"x")
    finally:
        for child in children:
            child.kill()
            child.reap()
        litter.close()


def listen_once(child: Child) -> bool:
    """Whether it says that it is ready."""
    poll = select.poll()
    poll.register(child.stdout, select.POLLIN)
    return bool(poll.poll(10_000)) and b"ready" in (child.read() or b"")


def test_the_program_may_lie_where_nobody_may_look(tmp_path: Path) -> None:
    """A checkout in the home of root: opened as root, and run as nobody."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy2(command()[0], closed / "deno")

    assert said_by(str(closed / "deno"), "--version").startswith("deno ")


def test_nothing_of_the_host_is_in_the_command() -> None:
    """Warm sandboxes know no tenant, and their environment nothing at all."""
    words: Any = command()
    assert not [word for word in words[1:] if "/" in word and not word.startswith("data:")]
    assert not [word for word in words if word.startswith("--allow")]
