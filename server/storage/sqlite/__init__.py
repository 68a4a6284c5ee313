"""The store on SQLite.

store         one file, one writer, and its commits
connections   Piccolo's engine with connections that are kept
upkeep        changes, views that stand still, and space
"""
