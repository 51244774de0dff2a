"""The same as an ordinary user, who cannot become nobody and must do without it.

Skipped where the tests run as one: then all the other tests are this one. The product, the interpreter and Deno are
copied to where that user may read them, since a checkout in somebody's home is closed to others.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deno
import pytest

from tests.agents.sandbox.cases import CASES, SECRET
from tests.agents.sandbox.receiver import Receiver

ROOT = Path(__file__).resolve().parents[3]
SOMEBODY = 12345
CHOSEN = """loop microtask_flood alloc_bomb arraybuffer_bomb string_bomb deep_json ctor_ctor deno_read import_node_fs
    worker_spawn stack_path pollute_json pollute_proto forge_stdout exit_deno huge_console fetch_file fetch_abort
    fetch_big header_host throw_hostile_getter cycle nan_value""".split()
SCRIPT = """
import json, os, sys
os.setgroups([]); os.setresgid({user}, {user}, {user}); os.setresuid({user}, {user}, {user})
sys.path[:0] = {paths}
from agents.sandbox import Job, Pool, layers
from tests.agents.sandbox.cases import CASES, SECONDS
from tests.agents.sandbox.receiver import Door
said = {{"user": os.getuid(), "layers": layers(), "faults": {{}}}}
pool, door = Pool(2), Door({origin!r})
for case in CASES:
    if case.id in {chosen}:
        credentials = {{"url": door.origin, "secret": {secret!r}}}
        result = pool.run(Job(case.code, {{}}, credentials, {{}}), door, seconds=SECONDS)
        fault = case.fault(
            kind=result.kind, value=result.value, error=result.error, console=result.console, peak=result.peak_memory)
        said["faults"][case.id] = fault and fault + result.diagnostics
pool.close()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(customer: Receiver) -> Iterator[dict[str, Any]]:
    """What a process of that user says about the walls and the chosen cases."""
    if os.geteuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    # Not pytest's own place for temporary files: each session closes it to others.
    folder = Path(tempfile.mkdtemp(prefix="ordinary-user-"))
    try:
        copy_what_is_needed(folder)
        subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
        yield run_as_somebody(folder, customer.origin)
    finally:
        shutil.rmtree(folder)


def run_as_somebody(folder: Path, origin: str) -> dict[str, Any]:
    paths = [str(folder), str(folder / "packages")]
    script = SCRIPT.format(user=SOMEBODY, paths=paths, origin=origin, chosen=CHOSEN, secret=SECRET)
    ended = subprocess.run(
        [str(folder / "python" / "bin" / "python3"), "-c", script],
        cwd="/",
        env={"PYTHONHOME": str(folder / "python"), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


def copy_what_is_needed(folder: Path) -> None:
    for part in ("agents/__init__.py", "agents/sandbox", "tests/__init__.py", "tests/agents/__init__.py"):
        copy(ROOT / part, folder / part)
    for part in ("__init__.py", "cases.py", "endings.py", "receiver.py"):
        copy(ROOT / "tests/agents/sandbox" / part, folder / "tests/agents/sandbox" / part)
    # Deno's package finds its program in `bin` beside itself, as if it had been installed into a folder.
    copy(Path(deno.__file__).parent, folder / "packages" / "deno")
    copy(Path(deno.find_deno_bin()), folder / "packages" / "bin" / "deno")
    library = Path(sysconfig.get_path("stdlib"))
    leave_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "idlelib", "lib2to3", "ensurepip")
    shutil.copytree(library, folder / "python" / "lib" / library.name, ignore=leave_out)
    copy(Path(sys.executable).resolve(), folder / "python" / "bin" / "python3")
    for shared in Path(sysconfig.get_config_var("LIBDIR")).glob("libpython3*.so*"):
        copy(shared, folder / "python" / "lib" / shared.name)


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


def test_the_walls_stand_for_an_ordinary_user(said: dict[str, Any]) -> None:
    assert said["user"] == SOMEBODY
    assert said["layers"]["user"] == f"as started, number {SOMEBODY}"
    assert said["layers"]["deno permissions"] == "none granted"
    assert said["layers"]["rlimits"] == said["layers"]["seccomp"] == "on"


def test_the_table_names_what_was_chosen() -> None:
    assert set(CHOSEN) <= {case.id for case in CASES}


@pytest.mark.parametrize("id_", CHOSEN)
def test_an_attack_ends_as_it_must_for_an_ordinary_user(id_: str, said: dict[str, Any]) -> None:
    assert said["faults"][id_] == ""
