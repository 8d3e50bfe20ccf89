"""A database in which nothing has been released yet."""

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.config.secret import Secret


@pytest.fixture
def empty_url(database_url):
    """A database without a table, gone after the test."""
    parts = conninfo_to_dict(database_url.reveal())
    name = f"{parts['dbname']}_empty"
    with psycopg.connect(database_url.reveal(), autocommit=True) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield Secret(make_conninfo(**{**parts, "dbname": name}))
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
