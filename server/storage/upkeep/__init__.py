"""What the jobs do to a store, and keep in it.

maintenance        raw events and others that have had their time
contexts           contexts that no event has any more
common_values      rare values, counted as one
common_versions    rare versions of active installs and errors, counted as one
recount            rollups, counted again from events
activity_recount   active installs, counted again from their days
trending           what is trending
alerts             rules, and alerts on their way
job_runs           what jobs did
leases             what only one process may do at a time
"""
