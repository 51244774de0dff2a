"""Statements that run for every request of a provider: the server parses and plans each once a connection."""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection


def first(statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
    """The first row of the answer. Raises Django's database errors, like any cursor of its own.

    Django binds values on our side, so PostgreSQL would see a new statement each time; and it would ask first whether
    the connection still lives. Whoever comes first to it in a request has to be ready for one that does not.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        row: tuple[Any, ...] | None = cursor.execute(statement, values, prepare=True).fetchone()
    return row
