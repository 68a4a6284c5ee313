"""The SQL of the jobs, and the state that they keep in the store.

maintenance        retention: events, marks and other rows that expire
unused_contexts    deletes contexts that no event has
common_values      folds rare values of dimensions into one
common_versions    folds rare versions of active installs and errors into one
recount            recounts the rollups from events
activity_recount   recounts active installs from their days of activity
trending           scores of trending targets
alert_rules        rules of alerts, and their deliveries
job_runs           the record of job runs
leases             leases for work that only one process may do at a time
"""
