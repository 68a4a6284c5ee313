"""The store on SQLite.

store         one file, one writer, and its commits
connections   Piccolo's engine with connections that are kept
opening       migrations, and the backup before them
backup        copies of the file, made while it is written to
upkeep        changes, views that stand still, and space
"""
