"""The environment variables that settings.py asks for, with generated values for development, tests and checks."""

import base64
import os
import secrets
from pathlib import Path

from dev.redis_server import write_private


def generated() -> dict[str, str]:
    """The secrets: never a default in the code, never committed."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {"SECRET_KEY": secrets.token_urlsafe(48), "FIELD_ENCRYPTION_KEYS": f"k1:{key}"}


def for_address(*, url: str) -> dict[str, str]:
    """One process tree serves people and the inspector, so both have the same origin."""
    return {
        "DEBUG": "true",
        "PUBLIC_URL": url,
        "INSPECTOR_ORIGIN": url,
        "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    }


def for_one_run(*, database_url: str, redis_url: str) -> dict[str, str]:
    """For throw-away servers: whatever the shell has set must not lead a test to somebody's real database."""
    stores = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    return {**os.environ, **generated(), **for_address(url="http://127.0.0.1:8000"), **stores}


def without_servers() -> dict[str, str]:
    """For the checks: complete, and leading nowhere."""
    nowhere = "127.0.0.1:1"
    return for_one_run(database_url=f"postgres://nobody@{nowhere}/nothing", redis_url=f"redis://{nowhere}/0")


def kept(*, path: Path) -> dict[str, str]:
    """The secrets of this clone: made once, so that the data of yesterday can be read today. Edit the file to add
    variables of your own."""
    if not path.exists():
        values = generated()
        write_private(path=path, text="".join(f"{name}={value}\n" for name, value in values.items()))
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
