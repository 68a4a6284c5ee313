"""Charts and lists: async functions with typed answers, for GraphQL, exports and public reads.

filters      a chart's selection of events: project, period, audience, and the conditions of the question model
measures     the parts of answers: installs, changes, rates, percentiles
sources      SQL for what the question model does not count, over rollups or raw events
active       counts of active installs from their sums, and the time from which on figures count events, after retention
histograms   durations day by day, kept in memory
exact_durations  durations while they are few

overview     key figures and figures over time: forms of the question model
breakdown    events and installs by value: a form of the question model
comparison   the period that an overview is compared with
installs     active, new and returning installs; versions over time, which `release_choice` selects
timings      durations: histograms and percentiles
errors       types of errors, and the last events that failed
targets      targets, their counters, trending ones
sequences    funnels by names of events, and weekly retention: forms of the question model
experiments  variants compared (raw events)
lists        events and installs, page by page
folding      charts for callers without a login: no figure of few installs
ledger       the outcome of every event that arrived
pack_downloads, family_stats  the answers of single families of clients
vocabulary   values to filter by

Times are epoch milliseconds and days begin at midnight, both in UTC; durations are microseconds, rates and shares 0 to 1.
"""
