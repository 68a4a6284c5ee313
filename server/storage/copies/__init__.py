"""Operations on the whole store: restoring a backup, and copying to PostgreSQL. Backups are created by `server.storage.sqlite.backups`.

restore         replaces the store with a backup
postgres_copy   copies a store from SQLite to PostgreSQL while it is in use
"""
