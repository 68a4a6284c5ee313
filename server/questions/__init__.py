"""One model for every question about a project's events: what to measure, where, split by what, over which steps.

sql          pieces of SQL, and their execution within a time limit
periods      periods and their steps, also relative to the current time
question     the model: measures, conditions, groups, steps, period, comparison, segments
template     a question without a project and a time, as requests state it and projects save it
report_templates the same for funnels, retention and paths
text         the text form of a template, for the CLI and HTTP
answer       the rows of an answer, and how complete they are
versions     semantic versions: order, ranges, groups
rollup_facts the same rows from rollups and activity, where these have the combination
sql_engines  the expressions in which SQLite, PostgreSQL and DuckDB differ
facts        SQL for the events that a question counts
arrivals     the installs that are new in a period
joint_reads  reads of the history that select the same events, run together (`joint_tables`: over a long period)
install_masks installs by step: a mask for each install, with a bit for each step
installs_by_field installs by the values of several fields, installs_by_property by those of a property
found        the figures of a reader, from which `ask` assembles an answer
counting     SQL for the figures: sums, distinct installs, percentiles (`places`: by group)
small_groups folds groups of few installs in answers without a login
matching     conditions on an event in memory
ask          runs a question and assembles its answer
figures      the figures of a question as charts need them
figure_text  figures and thresholds as text: units, separators, decimals
funnel       installs that meet the conditions of several steps
cohorts      retention: installs that return, by the step in which they began
cohort_rollups weekly cohorts from their rollups
paths        the events that follow or precede a chosen one
report_text  the text form of these three reports
saved        saved questions, and the links that share them
shared_answer the answer that such a link shows, shared_reports those of funnels and retention
suggestions  values and properties that a condition or split could have used when it matched nothing (`nearest` ranks them)

Times are epoch milliseconds in UTC; durations are in milliseconds, rates from 0 to 1.
"""
