"""Runs the migrations on the connection it is handed; `notifier db upgrade` is the command for it."""

from alembic import context

from notifier.adapters.database.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run: notifier db upgrade")

context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
