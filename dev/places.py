"""Who runs PostgreSQL, and where its files can live.

PostgreSQL refuses to run as root, so root runs it as `nobody`. That user must be able to reach the files: a clone
below /root or below a folder of mode 700 is closed to it, and then the data goes to a temporary folder, which is
written down so that the next start finds it again.
"""

import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Runner:
    """The user a server runs as; `uid` None means whoever we are."""

    uid: int | None = None
    gid: int | None = None

    def popen_arguments(self) -> dict[str, Any]:
        # The working folder may be closed to the other user, the root folder never is.
        if self.uid is None:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def can_use(self, path: Path) -> bool:
        """True if this user can enter the folder (or execute the file)."""
        command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
        return subprocess.run(command, **self.popen_arguments()).returncode == 0

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def postgres_runner(*, data: Path | None = None) -> Runner:
    """Ourselves, unless we are root: then the owner of existing data, or `nobody`."""
    if os.geteuid() != 0:
        return Runner()
    if data is not None and data.exists() and data.stat().st_uid != 0:
        return Runner(uid=data.stat().st_uid, gid=data.stat().st_gid)
    nobody = pwd.getpwnam("nobody")
    return Runner(uid=nobody.pw_uid, gid=nobody.pw_gid)


def temporary_folder(*, prefix: str, lasting: bool = False) -> Path:
    """A new folder that another user may walk through but not list. /var/tmp outlives a reboot, /tmp need not."""
    parents = [Path("/var/tmp")] if lasting else []
    parents += [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    runner = postgres_runner()
    for parent in parents:
        if parent.is_dir() and os.access(parent, os.W_OK) and runner.can_use(parent):
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            folder.chmod(0o711)
            return folder
    raise OSError("No temporary folder can be written: tried " + ", ".join(map(str, parents)))


def postgres_home(*, directory: Path, lasting: bool) -> Path:
    """The folder for PostgreSQL's files: below `directory` if the server's user can get there."""
    home = directory / "postgres"
    home.mkdir(exist_ok=True)
    home.chmod(0o711)
    if postgres_runner().can_use(home):
        return home
    note = directory / "postgres-is-elsewhere"
    if note.exists():
        elsewhere = Path(note.read_text().strip())
        if elsewhere.is_dir() and elsewhere.stat().st_uid == os.geteuid():
            return elsewhere
        print(f"PostgreSQL's data in {elsewhere} is gone; starting with an empty database.")
    elsewhere = temporary_folder(prefix="chatzuri-data-", lasting=lasting)
    note.write_text(f"{elsewhere}\n")
    return elsewhere
