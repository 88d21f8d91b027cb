"""The database: SQLite by default, PostgreSQL where several replicas share it. The only place with SQLAlchemy."""
