"""Background jobs: the table of jobs, the runner with its lease, and the scheduler. Each job is one function and one line of the table."""

from server.jobs.run import Job, JobError, Run
from server.jobs.runner import Outcome, Runner
from server.jobs.scheduler import Scheduler
from server.jobs.table import JOBS, find

__all__ = ["JOBS", "Job", "JobError", "Outcome", "Run", "Runner", "Scheduler", "find"]
