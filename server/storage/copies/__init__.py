"""A store as a whole: putting a backup in its place, moving to PostgreSQL. Backups are made by `server.storage.sqlite.backups`.

restore   puts a backup in the place of the store
moving    from SQLite to PostgreSQL, while it serves
"""
