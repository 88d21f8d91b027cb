"""How a database would answer a query."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection


async def plan(conn: AsyncConnection, query: Any, **values: Any) -> str:
    """Ask it to explain; `values` are those of the query's parameters."""
    explain = "EXPLAIN" if conn.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    written = str(query.params(values).compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True}))
    return "\n".join(str(tuple(row)) for row in await conn.exec_driver_sql(f"{explain} {written}"))
