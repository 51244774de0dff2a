"""Statements that run for every request of a provider: the server parses and plans each once a connection."""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection


def first(statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
    """The first row of the answer. Raises Django's database errors, like any cursor of its own.

    Django binds values on our side, so PostgreSQL would see a new statement each time.
    """
    with (
        connection.cursor() as ordinary,
        connection.wrap_database_errors,
        psycopg.Cursor(ordinary.connection) as cursor,
    ):
        row: tuple[Any, ...] | None = cursor.execute(statement, values, prepare=True).fetchone()
    return row
