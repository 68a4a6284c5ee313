"""Mutations of the GraphQL schema. Each requires the `admin` scope, returns its errors by field, and is recorded in the audit log.

result           the result types
projects         settings, targets, latest version
access_keys      keys and sessions
alerts_and_jobs  alerts, jobs, replay, erasure
saving           saved questions
"""

import strawberry

from server.admin.mutations.access_keys import KeyMutations
from server.admin.mutations.alerts_and_jobs import OperationMutations
from server.admin.mutations.projects import ProjectMutations
from server.admin.mutations.saving import SavedQuestionMutations


@strawberry.type(description="Mutations. Each returns its errors by field. If there are errors, nothing was changed.")
class Mutation(ProjectMutations, KeyMutations, OperationMutations, SavedQuestionMutations):
    """All mutations."""


__all__ = ["Mutation"]
