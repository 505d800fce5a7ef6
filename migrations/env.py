"""Alembic's entry: writes the SQL of the steps, one transaction each, and never opens a connection.

``httpapi.migrate`` runs that SQL through asyncpg, the only driver we ship; ``alembic upgrade A:B --sql`` prints it.
"""

from alembic import context

if not context.is_offline_mode():
    raise SystemExit("alembic only writes SQL here (--sql); to migrate run: python -m httpapi.migrate")

context.configure(
    dialect_name="postgresql+asyncpg",
    transaction_per_migration=True,
    output_buffer=context.config.attributes.get("output"),
)
with context.begin_transaction():
    context.run_migrations()
