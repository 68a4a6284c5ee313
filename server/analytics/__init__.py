"""The questions: plain async functions over the rollups, with typed answers. Every door calls these, and none has SQL of its own.

filters      what a question is asked about: project, period, which events count
measures     what answers are made of: installs, changes, rates, percentiles
sources      where they are read from: a rollup where one has the combination, otherwise raw events, within bounds
histograms   how long things took, day by day, kept in memory

overview     how a project is doing, at a glance and over time
installs     active, new and returning installs; retention; versions over time
breakdown    by system, version, environment, name, target, property
timings      durations: histograms and percentiles
errors       types of errors, and the last events that failed
targets      targets, their counters, what is trending
funnel       from one event to the next (raw events)
experiments  variants compared (raw events)
ledger       where everything that arrived went
counts       downloads of packs
families     what FlakeDrop and Track-Skills answer
vocabulary   the words that there are to filter by

Times are epoch milliseconds and days begin at midnight, both in UTC; durations are microseconds, rates and shares 0 to 1.
"""
