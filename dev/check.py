"""`make check`: every check, one after the other, all of them even if one fails. Needs no server."""

import subprocess
import sys
from pathlib import Path

from dev.environment import without_servers

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 400
PYTHON = sys.executable
# Without a database Django can compare models with migrations, and only warns that it cannot see what is applied.
MIGRATIONS = [PYTHON, "-W", "ignore:Got an error checking", "manage.py", "makemigrations", "--check", "--dry-run"]
CHECKS: dict[str, list[str]] = {
    "ruff check": [PYTHON, "-m", "ruff", "check", "."],
    "ruff format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "mypy": [PYTHON, "-m", "mypy"],
    "import-linter": [PYTHON, "-c", "from importlinter.cli import lint_imports_command as main; main()"],
    "migrations": MIGRATIONS,
    "django check": [PYTHON, "manage.py", "check"],
}


def long_files() -> list[str]:
    """Files nobody can hold in their head. Migrations are written by a machine."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    files = [name for name in listed if "/migrations/" not in name and (ROOT / name).exists()]
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in files}
    return [f"{name} has {lines} lines" for name, lines in lengths.items() if lines > LONGEST_FILE]


def main() -> None:
    failed = []
    for name, command in CHECKS.items():
        print(f"── {name}", flush=True)
        if subprocess.run(command, cwd=ROOT, env=without_servers()).returncode:
            failed.append(name)
    print("── length of files", flush=True)
    if found := long_files():
        print("\n".join(found))
        failed.append("length of files")
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")
    print("All checks passed.")


if __name__ == "__main__":
    main()
