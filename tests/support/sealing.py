"""Sealing what was recorded, as the service does each two seconds."""

from notifier.ports import Database


async def seal(database: Database) -> None:
    """Seal all that was recorded."""
    async with database.begin() as work:
        for account in await work.chain.unsealed():
            while await work.chain.seal(account):
                pass
