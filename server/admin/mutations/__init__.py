"""What admins change. Each change wants the scope `admin`, answers with its errors by field, and is written into the audit log.

result     what all changes answer
projects   settings, targets, latest version
keys       keys and sessions
operation  alerts, jobs, erasure
"""

import strawberry

from server.admin.mutations.access_keys import KeyMutations
from server.admin.mutations.maintenance import OperationMutations
from server.admin.mutations.projects import ProjectMutations


@strawberry.type(description="What can be changed. Each change answers with its errors; where there are any, nothing was changed.")
class Mutation(ProjectMutations, KeyMutations, OperationMutations):
    """All of it."""


__all__ = ["Mutation"]
