"""The store on SQLite.

sqlite_store      the store: one file, one writer
base_store        its changes, snapshots and space
sqlite_sql        the SQL that PostgreSQL does not have
connection_pool   the connections, and Piccolo's engine on top of them
opening           migrations, and the backup before them
backups           backups of the file while it is in use
"""
