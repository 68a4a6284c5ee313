"""The store, and all SQL that writes.

rollups, statements      the rollups as data, and the SQL that updates them
tables, migrations       the tables, and the migrations that create them
batch, changes           the arguments and results of commits and of other changes
store_sql, store_lock    the SQL in which the engines differ; the lock on the data folder
commit                   one transaction for one batch of events
sqlite, postgres         the two engines
engine                   the interface of the store, and its opening
projects                 projects, keys, sessions, the audit log
upkeep                   the SQL of jobs: retention, recounts, trending, alerts
history                  imports, exports, erasure, replays
copies                   restoring backups, copying to PostgreSQL
"""
