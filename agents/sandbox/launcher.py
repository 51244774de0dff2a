"""Puts walls around sandboxes and starts them. Run as `python -I -S launcher.py SETTINGS`; never imported.

One launcher starts a litter of sandboxes, one after the other, when told to on its standard input: `start 0`, `reap 0`.
It answers each line with one line of JSON. A sandbox that died stays a zombie until `reap`, so its process id keeps
meaning it for as long as anybody may want to kill it. The launcher dies with the thread that started it, its sandboxes
die with the launcher. SETTINGS is JSON: see `Settings`.

Between fork and exec each sandbox takes everything away from itself: limits, user, namespaces, new privileges, memory
that can be written and then run, files (Landlock), and system calls (seccomp). What is taken cannot be got back.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, TypedDict

NOBODY = 65534
MACHINE = os.uname().machine
IS_LINUX = sys.platform == "linux"
LIBC = ctypes.CDLL(None, use_errno=True)


class Settings(TypedDict):
    command: list[str]  # what to start; the first is its path
    environment: dict[str, str]
    pipes: list[list[int]]  # of each sandbox to come: its standard input, output and error
    data_bytes: int  # of writable memory, all together
    cpu_seconds: int
    relaxed: bool  # start even where a wall that production needs cannot be had
    parent: int  # process id of whoever started this


class Refused(Exception):
    """A wall that must be there cannot be had; the sandbox is not started."""


# --- limits, user, namespaces ----------------------------------------------------------------------------------------


def set_limits(settings: Settings) -> str:
    """Soft and hard, so that they cannot be raised again. Locked memory and queues are not needed by anybody."""
    limits = {"DATA": settings["data_bytes"], "CPU": settings["cpu_seconds"], "NOFILE": 64}
    limits |= dict.fromkeys(["CORE", "FSIZE", "MEMLOCK", "MSGQUEUE"], 0)
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))
    os.nice(5)
    return "on"


def become_nobody() -> str:
    if os.geteuid() != 0:
        return f"as started, number {os.geteuid()}"
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    return "nobody"


def leave_namespaces() -> str:
    """Own users, network, queues and host name: there is no network interface but a dead loopback in there."""
    user, network, queues, names = 0x10000000, 0x40000000, 0x08000000, 0x04000000
    return _state(LIBC.unshare(user | network | queues | names))


def control(option: int, value: int) -> str:
    return _state(LIBC.prctl(option, value, 0, 0, 0))


def _state(returned: int) -> str:
    return "on" if returned == 0 else f"unavailable: {os.strerror(ctypes.get_errno())}"


def die_with(parent: int) -> None:
    """Set after the user changed, which clears it; and look again, the parent may be gone already."""
    set_parent_death_signal = 1
    control(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


# --- files -----------------------------------------------------------------------------------------------------------

EXECUTE, READ = 1 << 0, 1 << 2
LIBRARIES = [f"{usr}/{name}" for usr in ("", "/usr") for name in ("lib64", f"lib/{MACHINE}-linux-gnu")]
LOADERS = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
READABLE = [
    *LIBRARIES,
    "/etc/ld.so.cache",
    "/dev/null",
    "/dev/urandom",
    "/sys/devices/system/cpu",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
]


def open_files(command: list[str]) -> list[tuple[int, int]]:
    """(rights, descriptor) of all that may be read or run. Opened as whoever we still are: nobody may not see them."""
    wanted = [(EXECUTE | READ, path) for path in (command[0], *LOADERS)] + [(READ, path) for path in READABLE]
    return [(rights, os.open(path, os.O_PATH | os.O_CLOEXEC)) for rights, path in wanted if os.path.exists(path)]


def forbid_files(allowed: list[tuple[int, int]]) -> str:
    """Landlock: everything the kernel can forbid is forbidden, but for reading what is listed."""
    create_ruleset, add_rule, restrict_self = 444, 445, 446
    version = LIBC.syscall(create_ruleset, None, 0, 1)
    if version < 1:
        return f"unavailable: {os.strerror(ctypes.get_errno())}"
    attributes = _landlock_attributes(version)
    ruleset = LIBC.syscall(create_ruleset, attributes, len(attributes), 0)
    if ruleset < 0:
        return f"unavailable: {os.strerror(ctypes.get_errno())}"
    for rights, descriptor in allowed:
        LIBC.syscall(add_rule, ruleset, 1, struct.pack("<Qi", rights, descriptor), 0)
    state = _state(LIBC.syscall(restrict_self, ruleset, 0))
    return f"on, version {version}" if state == "on" else state


def _landlock_attributes(version: int) -> bytes:
    """All rights over files, then over TCP, then over other processes, as far as this kernel knows them."""
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    attributes = struct.pack("<Q", files)
    if version >= 4:
        attributes += struct.pack("<Q", 0b11)
    if version >= 6:
        attributes += struct.pack("<Q", 0b11)
    return attributes


# --- system calls ----------------------------------------------------------------------------------------------------

# What Deno calls when it runs for a while. Anything else is answered with "not permitted".
CALLS = {
    "x86_64": """read=0 write=1 close=3 stat=4 fstat=5 lstat=6 poll=7 lseek=8 mmap=9 mprotect=10 munmap=11 brk=12
        rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 ioctl=16 pread64=17 readv=19 writev=20 access=21
        sched_yield=24 mremap=25 madvise=28 dup=32 nanosleep=35 getpid=39 sendto=44 recvfrom=45 socketpair=53 clone=56
        execve=59 exit=60 uname=63 fcntl=72 getcwd=79 readlink=89 gettimeofday=96 getrlimit=97 getrusage=98 sysinfo=99
        times=100 getuid=102 getgid=104 geteuid=107 getegid=108 getppid=110 sigaltstack=131 sched_getparam=143
        sched_getscheduler=145 prctl=157 arch_prctl=158 gettid=186 time=201 futex=202 sched_getaffinity=204
        set_tid_address=218 restart_syscall=219 clock_gettime=228 clock_getres=229 clock_nanosleep=230 exit_group=231
        epoll_wait=232 epoll_ctl=233 tgkill=234 openat=257 newfstatat=262 readlinkat=267 faccessat=269 ppoll=271
        set_robust_list=273 epoll_pwait=281 eventfd2=290 epoll_create1=291 pipe2=293 prlimit64=302 getcpu=309
        getrandom=318 execveat=322 membarrier=324 pkey_mprotect=329 pkey_alloc=330 pkey_free=331 statx=332 rseq=334
        clone3=435 faccessat2=439 epoll_pwait2=441""",
    "aarch64": """getcwd=17 eventfd2=19 epoll_create1=20 epoll_ctl=21 epoll_pwait=22 dup=23 fcntl=25 ioctl=29
        faccessat=48 openat=56 close=57 pipe2=59 lseek=62 read=63 write=64 readv=65 writev=66 pread64=67 ppoll=73
        readlinkat=78 newfstatat=79 fstat=80 exit=93 exit_group=94 set_tid_address=96 futex=98 set_robust_list=99
        nanosleep=101 clock_gettime=113 clock_getres=114 clock_nanosleep=115 sched_getscheduler=120 sched_getparam=121
        sched_getaffinity=123 sched_yield=124 restart_syscall=128 tgkill=131 sigaltstack=132 rt_sigaction=134
        rt_sigprocmask=135 rt_sigreturn=139 times=153 uname=160 getrlimit=163 getrusage=165 prctl=167 getcpu=168
        gettimeofday=169 getpid=172 getppid=173 getuid=174 geteuid=175 getgid=176 getegid=177 gettid=178 sysinfo=179
        socketpair=199 sendto=206 recvfrom=207 brk=214 munmap=215 mremap=216 clone=220 execve=221 mmap=222
        mprotect=226 madvise=233 prlimit64=261 getrandom=278 execveat=281 membarrier=283 pkey_mprotect=288
        pkey_alloc=289 pkey_free=290 statx=291 rseq=293 clone3=435 faccessat2=439 epoll_pwait2=441""",
}
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, DENY, UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # DENY is EPERM, UNKNOWN is ENOSYS

# A step: operation, steps to skip if true, steps to skip if false, operand.
Step = tuple[int, int, int, int]


def forbid_calls() -> str:
    """seccomp: only the calls listed, and of those only the harmless forms."""
    if MACHINE not in CALLS:
        return f"unavailable: no list of system calls for {MACHINE}"
    steps = _filter(CALLS[MACHINE], ARCHITECTURES[MACHINE])
    code = b"".join(struct.pack("<HBBI", *step) for step in steps)
    memory = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(memory))
    set_seccomp, mode_filter = 22, 2
    return _state(LIBC.prctl(set_seccomp, mode_filter, program, 0, 0))


def _filter(listed: str, architecture: int) -> list[Step]:
    calls = {name: int(number) for name, number in (word.split("=") for word in listed.split())}
    steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    if MACHINE == "x86_64":
        # The x32 twins of all calls have this bit.
        steps += [(AT_LEAST, 0, 1, 0x40000000), (RETURN, 0, 0, KILL)]
    for name, form in _forms().items():
        steps += [(EQUAL, 0, len(form), calls.pop(name)), *form]
    numbers = sorted(calls.values())
    steps += [(EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    return [*steps, (RETURN, 0, 0, DENY), (RETURN, 0, 0, ALLOW)]


def _forms() -> dict[str, list[Step]]:
    """Calls that are allowed in some forms only. Without the rules on numbers a sandbox could reach its neighbours."""
    thread, new_namespaces = 0x00010000, 0x7E020000
    write_create_truncate = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    unix_family, set_name, get_name, set_anonymous_name = 1, 15, 16, 0x53564D41
    return {
        # The C library falls back to clone, whose flags can be looked at.
        "clone3": [(RETURN, 0, 0, UNKNOWN)],
        "clone": [
            (LOAD, 0, 0, _argument(0)),
            (ANY_BIT, 2, 0, new_namespaces),
            (ANY_BIT, 0, 1, thread),
            (RETURN, 0, 0, ALLOW),
            (RETURN, 0, 0, DENY),
        ],
        "openat": [
            (LOAD, 0, 0, _argument(2)),
            (ANY_BIT, 0, 1, write_create_truncate),
            (RETURN, 0, 0, DENY),
            (RETURN, 0, 0, ALLOW),
        ],
        "socketpair": _only(0, unix_family),
        "tgkill": _only(0, os.getpid()),
        "prlimit64": _only(0, 0),
        "prctl": _only(0, set_name, get_name, set_anonymous_name),
    }


def _only(argument: int, *values: int) -> list[Step]:
    tests = [(EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [(LOAD, 0, 0, _argument(argument)), *tests, (RETURN, 0, 0, DENY), (RETURN, 0, 0, ALLOW)]


def _argument(index: int) -> int:
    """Where the lower half of an argument lies; both machines are little-endian."""
    return 16 + 8 * index


# --- starting --------------------------------------------------------------------------------------------------------

NO_NEW_PRIVILEGES, NO_WRITE_THEN_EXECUTE = 38, 65


def build_walls(settings: Settings, launcher: int) -> dict[str, str]:
    """In the new process, the last thing before it becomes the sandbox. Returns the state of each wall."""
    walls = {"rlimits": set_limits(settings)}
    if not IS_LINUX:
        return walls | {"seccomp": f"unavailable: {sys.platform} has none"}
    files = open_files(settings["command"])
    walls["user"] = become_nobody()
    walls["namespaces"] = leave_namespaces()
    walls["no new privileges"] = control(NO_NEW_PRIVILEGES, 1)
    walls["no write then execute"] = control(NO_WRITE_THEN_EXECUTE, 1)
    walls["landlock"] = forbid_files(files)
    die_with(launcher)
    walls["seccomp"] = forbid_calls()
    return walls


def become_sandbox(settings: Settings, index: int, report: int, launcher: int) -> None:
    """Never returns. What goes wrong before the exec is written to `report`, which the exec closes."""
    try:
        os.setsid()
        for number, descriptor in enumerate(settings["pipes"][index]):
            os.dup2(descriptor, number)
        for pipes in settings["pipes"][index:]:
            # Its own, which it has as 0, 1 and 2 by now, and those of sandboxes to come; earlier ones are closed.
            for descriptor in pipes:
                os.close(descriptor)
        for name in ("SIGPIPE", "SIGXFSZ"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        program = os.open(settings["command"][0], os.O_RDONLY | os.O_CLOEXEC)
        walls = build_walls(settings, launcher)
        if not walls["seccomp"].startswith("on") and not settings["relaxed"]:
            raise Refused(f"seccomp is {walls['seccomp']}")
        os.write(report, json.dumps({"walls": walls}).encode())
        target: Any = program if os.execve in os.supports_fd else settings["command"][0]
        os.execve(target, settings["command"], settings["environment"])  # noqa: S606  all of it is ours
    except BaseException as error:
        os.write(report, b"\n" + json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(1)


class Litter:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: dict[int, int] = {}

    def start(self, index: int) -> dict[str, Any]:
        """The process id and the walls; or what failed."""
        reading, writing = os.pipe()
        launcher = os.getpid()
        child = os.fork()
        if child == 0:
            become_sandbox(self.settings, index, writing, launcher)
        os.close(writing)
        with os.fdopen(reading, "rb") as report:
            lines = report.read().splitlines()
        for descriptor in self.settings["pipes"][index]:
            os.close(descriptor)
        self.children[index] = child
        return {"pid": child} | json.loads(lines[-1] if lines else '{"failed": "it died at once"}')

    def reap(self, index: int) -> dict[str, Any]:
        """How it ended, as Python says it: negative for a signal. Waits for the end."""
        _, status = os.waitpid(self.children.pop(index), 0)
        return {"code": os.waitstatus_to_exitcode(status)}


def main() -> None:
    settings: Settings = json.loads(sys.argv[1])
    if IS_LINUX:
        die_with(settings["parent"])
    for descriptor in (descriptor for pipes in settings["pipes"] for descriptor in pipes):
        # A sandbox must never inherit a pipe of another one.
        os.set_inheritable(descriptor, False)
    litter = Litter(settings)
    commands: dict[str, Callable[[int], dict[str, Any]]] = {"start": litter.start, "reap": litter.reap}
    for line in sys.stdin:
        command, _, index = line.partition(" ")
        answer = commands[command](int(index))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
