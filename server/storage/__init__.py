"""What is kept, and all SQL that writes.

rollups, statements   what is added up, and the SQL that adds
tables, migrating     the tables, and how they come to be
batch, changes        what a commit and what a change take, and what they say
listed, occupancy     lists as one argument; who has the store open
commit                one transaction for one batch of events
sqlite, postgres      the two engines
engine                the store: what it promises, and how it is opened
projects              projects, keys, sessions, and what admins do
upkeep                what the jobs do
history               imports, exports, erasure
copies                backups, and moving to PostgreSQL
"""
