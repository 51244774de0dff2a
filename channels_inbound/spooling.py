"""For providers that never ask again: while the database is away, their requests wait on this machine's own disk.

Each one is an encrypted file. It is proved only when it is read back, since the secrets are in the database; what is
not authentic then is dropped like any other forgery. The number of files is limited: anybody can send them.
"""

import base64
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from channels_inbound.adapters.base import Incoming
from chatzuri.fields import NotReadable, Sealed, seal, unseal

logger = logging.getLogger(__name__)

MOST_FILES = 2000
MOST_BYTES = 256 * 1024
SUFFIX, CLAIMED = ".spooled", ".claimed"
# Another process may have claimed a file and died.
CLAIM_SECONDS = 120


def folder() -> Path:
    return Path(settings.SPOOL_DIR)


def put(kind: str, agent_id: str, incoming: Incoming) -> bool:
    """Whether it is on disk now, synced. False where there is no room for it."""
    if len(incoming.body) > MOST_BYTES:
        return False
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(1 for _ in _files(SUFFIX)) >= MOST_FILES:
            logger.error("The spool is full: %s requests wait in it.", MOST_FILES)
            return False
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        _write(folder() / f"{name}{SUFFIX}", seal(_packed(kind, agent_id, incoming), bound_to="spool"))
    except OSError as error:
        logger.error("A request could not be spooled: %s", error.strerror)
        return False
    logger.warning("A request of %s waits in the spool until the database is back.", kind)
    return True


def waiting() -> int:
    return sum(1 for _ in _files(SUFFIX)) + sum(1 for _ in _files(CLAIMED)) if folder().exists() else 0


def take() -> Iterator[tuple[Path, str, str, Incoming]]:
    """Each file that waits, claimed, oldest first: its path, the kind, the agent's id, the request.

    The caller calls `done` once it is stored, or `give_back`.
    """
    _free_claims()
    for path in sorted(_files(SUFFIX)):
        claimed = path.with_suffix(CLAIMED)
        try:
            path.rename(claimed)
            os.utime(claimed)
            packed = unseal(Sealed(claimed.read_text()), bound_to="spool")
        except FileNotFoundError:
            continue  # another process was faster
        except (NotReadable, ValueError) as error:
            logger.error("A spooled request cannot be read: %s", error)
            claimed.rename(claimed.with_suffix(".unreadable"))
            continue
        yield claimed, *_unpacked(packed)


def done(path: Path) -> None:
    path.unlink(missing_ok=True)


def give_back(path: Path) -> None:
    path.rename(path.with_suffix(SUFFIX))


def _files(suffix: str) -> Iterator[Path]:
    return folder().glob(f"*{suffix}")


def _free_claims() -> None:
    for path in _files(CLAIMED):
        if time.time() - path.stat().st_mtime > CLAIM_SECONDS:
            give_back(path)


def _write(path: Path, sealed: Sealed) -> None:
    unfinished = path.with_suffix(".unfinished")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(str.__str__(sealed))
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def _packed(kind: str, agent_id: str, incoming: Incoming) -> str:
    return json.dumps(
        {
            "kind": kind,
            "agent": agent_id,
            "query": incoming.query,
            "url": incoming.url,
            "path": incoming.path,
            "headers": dict(incoming.headers),
            "body": base64.b64encode(incoming.body).decode(),
            "at": incoming.at.timestamp(),
        }
    )


def _unpacked(text: str) -> tuple[str, str, Incoming]:
    packed = json.loads(text)
    incoming = Incoming(
        query=packed["query"],
        url=packed["url"],
        path=packed["path"],
        headers=packed["headers"],
        body=base64.b64decode(packed["body"]),
        at=datetime.fromtimestamp(packed["at"], UTC),
    )
    return packed["kind"], packed["agent"], incoming
