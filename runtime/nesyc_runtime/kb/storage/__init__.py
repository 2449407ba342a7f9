"""The store: one SQLite file, its schema, texts, rows and history, and DuckDB beside it."""
