"""Rules to derived relations: strata to their fixpoints in SQLite or DuckDB, kept in step with changes, and asked by conjunctions."""
