"""The store on PostgreSQL. Nothing is imported here: its drivers take a while, and most servers never need them.

store        for several servers
opening      how it is opened, and how its tables come to be
writer       the connection that commits
partitions   events by the month of their arrival
"""
