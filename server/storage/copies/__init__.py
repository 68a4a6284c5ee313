"""A store as a whole: its backups, putting one back, moving to PostgreSQL.

backup    copies of a SQLite store, made while it is written to
restore   puts one in the place of the store
moving    from SQLite to PostgreSQL, while it serves
"""
