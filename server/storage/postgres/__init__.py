"""The store on PostgreSQL. This package imports nothing: the drivers are slow to import, and most servers run on SQLite.

postgres_store    the store, which several servers can share
postgres_sql      the SQL that SQLite does not have
opening           opens the store and runs its migrations
postgres_writer   the connection that commits
partitions        partitions of events by month of arrival
"""
