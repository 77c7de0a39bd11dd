"""SQLite: the whitelist, which upstream can rebuild, and the precious journal."""
