"""Reading the book as of one moment, in threads beside the one that writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from marquee.ledger.errors import StoreUnavailableError
from marquee.ledger.store.database import Database

_Result = TypeVar("_Result")


async def reading(database: Database, work: Callable[[Connection], _Result]) -> _Result:
    """Do some reading in one snapshot.

    Raises:
        StoreUnavailableError: the database does not answer.

    """

    def body() -> _Result:
        with database.reader.begin() as connection:
            return work(connection)

    try:
        return await asyncio.to_thread(body)
    except SQLAlchemyError as error:
        raise StoreUnavailableError("the ledger's database cannot be read at the moment; try again") from error


async def answering(database: Database) -> None:
    """Ask the database for nothing.

    Raises:
        StoreUnavailableError: it does not answer.

    """
    await reading(database, lambda connection: connection.execute(text("SELECT 1")).scalar_one())
