"""Runs a command as an ordinary user, also where the checkout or Python itself lies in root's own folder.

Those folders are then shown to the command in a mount namespace of its own; nothing outside of it changes.
"""

import shlex
import stat
import sys
from pathlib import Path

NOBODY = 65534
ROOT = Path(__file__).resolve().parent.parent


def as_ordinary_user(command: list[str]) -> list[str]:
    """The same command under uid 65534. Needs root, util-linux, and a kernel that lets root mount."""
    lines, opened = ["set -e"], set()
    for needed in (Path(sys.base_prefix).resolve(), ROOT):
        closed = _closed(needed)
        if closed is None:
            continue
        lines += ["kept=$(mktemp -d)", f"mount --bind {shlex.quote(str(needed))} $kept"]
        if closed not in opened:
            lines.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))}")
            opened.add(closed)
        lines += [f"mkdir -p {shlex.quote(str(needed))}", f"mount --bind $kept {shlex.quote(str(needed))}"]
    lines.append(f'exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "$@"')
    return ["unshare", "--mount", "--propagation", "private", "bash", "-c", "\n".join(lines), "bash", *command]


def _closed(path: Path) -> Path | None:
    """The first folder on the way that others may not pass."""
    return next((part for part in reversed([path, *path.parents]) if not part.stat().st_mode & stat.S_IXOTH), None)
