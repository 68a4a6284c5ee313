// Made by codegen.mjs; not committed.
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
/** A rule that tells a webhook when something is out of the ordinary. */
export type AlertInput = {
  /** What it watches. */
  kind: AlertKind;
  /** The webhook, https://… */
  url: string;
  /** What people call it. */
  name?: string;
  /** In percent; that of its kind if it is left out. */
  threshold?: number | null | undefined;
  /** The minutes that it looks at, in full hours. */
  windowMinutes?: number;
  /** Events without which it tells nothing. */
  minimumEvents?: number;
  /** Minutes between two alerts. */
  cooldownMinutes?: number;
};

/** What an alert watches. */
export type AlertKind =
  | 'FAILURE_RATE'
  | 'VOLUME_DROP'
  | 'VOLUME_SPIKE'
  | 'NEW_ERROR'
  | 'NEW_VERSION';

/** Whose events count: of everybody and everything, or of people only. */
export type Audience =
  | 'EVERYTHING'
  | 'PEOPLE';

/** What to break down by. `PROPERTY` wants the name of one; `TOOL` is a target of that type. */
export type BreakdownBy =
  | 'OS'
  | 'ARCH'
  | 'RUNTIME'
  | 'VERSION'
  | 'PACKAGE_MANAGER'
  | 'ENVIRONMENT'
  | 'NAME'
  | 'TARGET'
  | 'TOOL'
  | 'PROPERTY';

/** What durations are told apart by. */
export type DurationsOf =
  | 'NAME'
  | 'TARGET';

/** Who runs the tool. `UNKNOWN` and `PERSON` count as people. */
export type Environment =
  | 'UNKNOWN'
  | 'PERSON'
  | 'CI'
  | 'CONTAINER'
  | 'DEVELOPMENT'
  | 'TEST';

/** Which events count: those that meet every condition. Texts are compared exactly. */
export type EventFilter = {
  /** People only, or everything. */
  audience?: Audience;
  /** Any of these environments. */
  environments?: Array<Environment>;
  /** Any of these names of events. */
  names?: Array<string>;
  /** The operating system. */
  os?: string | null | undefined;
  /** The processor architecture. */
  arch?: string | null | undefined;
  /** The runtime, such as `node 20`. */
  runtime?: string | null | undefined;
  /** The version of the tool. */
  version?: string | null | undefined;
  /** The package manager. */
  packageManager?: string | null | undefined;
  /** Any target of this type. */
  targetType?: string | null | undefined;
  /** This one target. */
  target?: TargetInput | null | undefined;
  /** How it ended. */
  outcome?: Outcome | null | undefined;
};

/** Which installs: those that meet every condition. */
export type InstallFilterInput = {
  /** People only. */
  people?: boolean;
  /** Any of these environments. */
  environments?: Array<Environment>;
  /** The operating system. */
  os?: string | null | undefined;
  /** The newest version that it sent. */
  version?: string | null | undefined;
  /** Seen at this time or later. */
  seenFrom?: string | null | undefined;
  /** Seen before this time. */
  seenTo?: string | null | undefined;
};

/** By what installs are ordered: their hash, or the newest seen first. */
export type InstallOrder =
  | 'HASH'
  | 'LAST_SEEN'
  | 'FIRST_SEEN';

/** The version that a tool's clients are told of. */
export type LatestInput = {
  /** The version. */
  version: string;
  /** When it came out. */
  releaseDate?: string;
  /** Where to get it. */
  updateUrl?: string;
  /** Whether it should be installed now. */
  critical?: boolean;
};

/** How the thing that an event reports ended; `NONE` where it does not say. */
export type Outcome =
  | 'NONE'
  | 'SUCCESS'
  | 'FAILURE';

/** A stretch of time: the last days, or from one time to another. Times are widened to full hours. */
export type PeriodInput = {
  /** So many days, today as far as it has come among them. 30 if nothing is said. */
  last?: number | null | undefined;
  /** From this time on. */
  from?: string | null | undefined;
  /** Before this time; now if it is left out. */
  to?: string | null | undefined;
};

/** What to change of a project. What is left out stays; null follows the server's own setting. */
export type ProjectChanges = {
  /** What people call it. */
  name?: string | null | undefined;
  /** Whether it takes events with a key only. */
  requiresKey?: boolean | null | undefined;
  /** Requests of one address, as `10/minute`. */
  rateLimit?: string | null | undefined;
  /** Events of one address. */
  eventLimit?: string | null | undefined;
  /** How long raw events are kept. */
  retentionDays?: number | null | undefined;
  /** How many targets it may have. */
  maxTargets?: number | null | undefined;
  /** Whether only targets that were listed before are counted. */
  listsTargets?: boolean | null | undefined;
  /** Hosts whose requests are about it. */
  hosts?: Array<string> | null | undefined;
  /** Properties to count by value, at most five. */
  properties?: Array<string> | null | undefined;
  /** What needs no login: counters, trending, badges, stats, analytics, dashboard. */
  public?: Array<string> | null | undefined;
};

/** How a series is cut; days begin at midnight in UTC, weeks on Monday. */
export type Step =
  | 'HOUR'
  | 'DAY'
  | 'WEEK'
  | 'MONTH';

/** The id of a target, with its type: ids of different types may be alike. */
export type TargetInput = {
  /** Its type, such as `tool` or `pack`. */
  type: string;
  /** Its id, as clients send it. */
  id: string;
};

export type ActiveUsersQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  step?: Step;
}>;


export type ActiveUsersQuery = { project: { activeUsers: { starts: Array<string>, dailyAll: Array<number>, dailyPeople: Array<number>, weeklyAll: Array<number>, weeklyPeople: Array<number>, monthlyAll: Array<number>, monthlyPeople: Array<number>, stickinessAll: Array<number | null>, stickinessPeople: Array<number | null> }, newAndReturning: { starts: Array<string>, newAll: Array<number>, newPeople: Array<number>, returningAll: Array<number>, returningPeople: Array<number> } } };

export type AnnounceVersionMutationVariables = Exact<{
  slug: string;
  latest?: LatestInput | null | undefined;
}>;


export type AnnounceVersionMutation = { announceVersion: { errors: Array<{ field: string | null, message: string }>, project: { slug: string, settings: { latest: { version: string, critical: boolean } | null } } | null } };

export type ArchiveProjectMutationVariables = Exact<{
  slug: string;
}>;


export type ArchiveProjectMutation = { archiveProject: { errors: Array<{ field: string | null, message: string }>, project: { slug: string, settings: { archivedAt: string | null } } | null } };

export type BreakdownQueryVariables = Exact<{
  slug: string;
  by: BreakdownBy;
  property?: string | null | undefined;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  first?: number;
}>;


export type BreakdownQuery = { project: { breakdown: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null, installs: { all: number, people: number } | null }> } } };

export type CreateAlertMutationVariables = Exact<{
  slug: string;
  alert: AlertInput;
}>;


export type CreateAlertMutation = { createAlert: { secret: string | null, errors: Array<{ field: string | null, message: string }>, alert: { id: string, name: string, kind: AlertKind } | null } };

export type CreateKeyMutationVariables = Exact<{
  slug?: string | null | undefined;
  scopes: Array<string> | string;
  name?: string;
}>;


export type CreateKeyMutation = { createKey: { secret: string | null, errors: Array<{ field: string | null, message: string }>, key: { id: string, name: string, hint: string, scopes: Array<string> } | null } };

export type CreateProjectMutationVariables = Exact<{
  slug: string;
  changes?: ProjectChanges | null | undefined;
}>;


export type CreateProjectMutation = { createProject: { errors: Array<{ field: string | null, message: string }>, project: { slug: string, name: string } | null } };

export type DeleteAlertMutationVariables = Exact<{
  id: string;
}>;


export type DeleteAlertMutation = { deleteAlert: { errors: Array<{ field: string | null, message: string }> } };

export type DurationsQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  of?: DurationsOf;
  first?: number;
}>;


export type DurationsQuery = { project: { durations: { total: { label: string | null, targetType: string | null, timed: number, mean: number | null, edges: Array<number>, counts: Array<number>, percentiles: { p50: number | null, p75: number | null, p90: number | null, p95: number | null, p99: number | null } }, groups: Array<{ label: string | null, targetType: string | null, timed: number, mean: number | null, edges: Array<number>, counts: Array<number>, percentiles: { p50: number | null, p75: number | null, p90: number | null, p95: number | null, p99: number | null } }> } } };

export type EraseInstallMutationVariables = Exact<{
  slug: string;
  installationId: string;
}>;


export type EraseInstallMutation = { eraseInstall: { events: number, days: number, errors: Array<{ field: string | null, message: string }> } };

export type ErrorGroupsQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  first?: number;
  samples?: boolean;
}>;


export type ErrorGroupsQuery = { project: { errors: { types: number, events: number, installs: { all: number, people: number }, groups: Array<{ type: string, events: number, share: number | null, firstSeen: string | null, lastSeen: string | null, names: Array<string>, installs: { all: number, people: number }, versions: Array<{ version: string | null, events: number }> }> }, failures?: Array<{ id: string, at: string, name: string, targetType: string | null, target: string | null, errorType: string | null, message: string | null, duration: number | null, environment: Environment, os: string | null, version: string | null }> } };

export type ErrorsQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  first?: number;
}>;


export type ErrorsQuery = { project: { errors: { types: number, events: number, installs: { all: number, people: number }, groups: Array<{ type: string, events: number, share: number | null, firstSeen: string | null, lastSeen: string | null, names: Array<string>, installs: { all: number, people: number }, versions: Array<{ version: string | null, events: number }> }> }, failures: Array<{ id: string, at: string, name: string, targetType: string | null, target: string | null, errorType: string | null, message: string | null, duration: number | null, environment: Environment, os: string | null, version: string | null }> } };

export type EventsQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  first?: number;
  after?: string | null | undefined;
}>;


export type EventsQuery = { project: { events: { nodes: Array<{ id: string, name: string, occurredAt: string, receivedAt: string, outcome: Outcome, duration: number | null, errorType: string | null, errorMessage: string | null, environment: Environment, environmentReason: string | null, dialect: string, os: string | null, arch: string | null, runtime: string | null, version: string | null, packageManager: string | null, properties: unknown, target: { type: string, id: string } | null, install: { hash: string, version: string | null, lastSeen: string } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } };

export type ExperimentQueryVariables = Exact<{
  slug: string;
  property: string;
  goal?: string | null | undefined;
  baseline?: string | null | undefined;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
}>;


export type ExperimentQuery = { project: { experiment: { baseline: string | null, mixed: number, variants: Array<{ value: string, all: { installs: number, successes: number, rate: number | null, difference: number | null, interval: { low: number, high: number } | null, differenceInterval: { low: number, high: number } | null }, people: { installs: number, successes: number, rate: number | null, difference: number | null, interval: { low: number, high: number } | null, differenceInterval: { low: number, high: number } | null } }> } } };

export type FunnelQueryVariables = Exact<{
  slug: string;
  names: Array<string> | string;
  withinHours?: number;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
}>;


export type FunnelQuery = { project: { funnel: Array<{ name: string, ofFirst: number | null, ofBefore: number | null, installs: { all: number, people: number } }> } };

export type InstallsQueryVariables = Exact<{
  slug: string;
  filter?: InstallFilterInput | null | undefined;
  orderBy?: InstallOrder;
  first?: number;
  after?: string | null | undefined;
}>;


export type InstallsQuery = { project: { installs: { totalCount: number, nodes: Array<{ hash: string, firstSeen: string, lastSeen: string, environment: Environment, environmentReason: string | null, os: string | null, arch: string | null, runtime: string | null, version: string | null, packageManager: string | null, events: Array<{ id: string, name: string, occurredAt: string }> }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } };

export type LedgerQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  first?: number;
}>;


export type LedgerQuery = { project: { ledger: { starts: Array<string>, received: Array<number>, stored: Array<number>, duplicates: Array<number>, rejected: Array<number>, limited: Array<number>, optedOut: Array<number>, reasons: Array<{ entry: string, reason: string, events: number }> }, rejected: Array<{ id: string, at: string, route: string, dialect: string, reason: string, excerpt: string, size: number, errors: Array<{ path: string, message: string }> }>, limitedAddresses: Array<{ start: string, address: string, events: number }> } };

export type LiveSubscriptionVariables = Exact<{
  slug: string;
  filter?: EventFilter | null | undefined;
}>;


export type LiveSubscription = { events: { missed: number, events: Array<{ id: string, name: string, receivedAt: string, outcome: Outcome, duration: number | null, errorType: string | null, environment: Environment, os: string | null, version: string | null, properties: unknown, target: { type: string, id: string } | null, install: { hash: string } | null }> } };

export type OperationQueryVariables = Exact<{
  first?: number;
}>;


export type OperationQuery = { server: { version: string, engine: string, writable: boolean, bytes: number, queued: number, retentionDays: number, public: Array<string> }, jobs: Array<{ name: string, about: string, periodMinutes: number, startedAt: string | null, endedAt: string | null, result: string | null, detail: string | null }>, sessions: Array<{ id: string, client: string, scopes: Array<string>, createdAt: string, seenAt: string, current: boolean }>, adminKeys: Array<{ id: string, name: string, hint: string, scopes: Array<string>, createdAt: string, lastUsedAt: string | null, revoked: boolean }>, auditLog: Array<{ id: string, at: string, actor: string, action: string, project: string | null, detail: string }> };

export type OverviewQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  step?: Step;
}>;


export type OverviewQuery = { project: { slug: string, name: string, overview: { events: { value: number | null, before: number | null, change: number | null }, active: { all: { value: number | null, before: number | null, change: number | null }, people: { value: number | null, before: number | null, change: number | null } }, new: { all: { value: number | null, before: number | null, change: number | null }, people: { value: number | null, before: number | null, change: number | null } }, installs: { all: { value: number | null, before: number | null, change: number | null }, people: { value: number | null, before: number | null, change: number | null } }, successRate: { value: number | null, before: number | null, change: number | null }, medianDuration: { value: number | null, before: number | null, change: number | null }, p95Duration: { value: number | null, before: number | null, change: number | null } }, series: { starts: Array<string>, events: Array<number>, successes: Array<number>, failures: Array<number>, activeAll: Array<number> | null, activePeople: Array<number> | null } } };

export type OverviewPageQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  before?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  step?: Step;
  known?: boolean;
}>;


export type OverviewPageQuery = { project: { overview: { events: { value: number | null, before: number | null, change: number | null }, active: { all: { value: number | null, before: number | null, change: number | null }, people: { value: number | null, before: number | null, change: number | null } }, new: { all: { value: number | null, before: number | null, change: number | null }, people: { value: number | null, before: number | null, change: number | null } }, installs: { all: { value: number | null, before: number | null, change: number | null }, people: { value: number | null, before: number | null, change: number | null } }, successRate: { value: number | null, before: number | null, change: number | null }, medianDuration: { value: number | null, before: number | null, change: number | null } }, series: { starts: Array<string>, events: Array<number>, successes: Array<number>, failures: Array<number>, activeAll: Array<number> | null, activePeople: Array<number> | null }, before: { starts: Array<string>, events: Array<number>, successes: Array<number>, failures: Array<number>, activeAll: Array<number> | null, activePeople: Array<number> | null }, versions: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null, installs: { all: number, people: number } | null }> }, os: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null, installs: { all: number, people: number } | null }> }, runtimes: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null, installs: { all: number, people: number } | null }> }, packageManagers: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null, installs: { all: number, people: number } | null }> }, environments: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null, installs: { all: number, people: number } | null }> }, names: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null, installs: { all: number, people: number } | null }> }, targets?: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null, installs: { all: number, people: number } | null }> }, errors: { types: number, events: number, groups: Array<{ type: string, events: number, lastSeen: string | null, installs: { all: number, people: number }, versions: Array<{ version: string | null, events: number }> }> } } };

export type ProjectCardsQueryVariables = Exact<{
  period?: PeriodInput | null | undefined;
}>;


export type ProjectCardsQuery = { me: { kind: string, scopes: Array<string>, label: string, allProjects: boolean } | null, projects: Array<{ slug: string, name: string, overview: { events: { value: number | null, change: number | null }, active: { people: { value: number | null, change: number | null }, all: { value: number | null, change: number | null } } }, series: { starts: Array<string>, events: Array<number> } }> };

export type ProjectSettingsQueryVariables = Exact<{
  slug: string;
}>;


export type ProjectSettingsQuery = { project: { slug: string, settings: { name: string, requiresKey: boolean, rateLimit: string | null, eventLimit: string | null, retentionDays: number | null, maxTargets: number | null, listsTargets: boolean, hosts: Array<string>, properties: Array<string>, public: Array<string> | null, createdAt: string, archivedAt: string | null, latest: { version: string, releaseDate: string, updateUrl: string, critical: boolean } | null }, keys: Array<{ id: string, name: string, hint: string, scopes: Array<string>, createdAt: string, lastUsedAt: string | null, revoked: boolean }>, alerts: Array<{ id: string, name: string, kind: AlertKind, threshold: number, windowMinutes: number, minimumEvents: number, cooldownMinutes: number, host: string, enabled: boolean, lastStatus: string | null, lastFiredAt: string | null }> } };

export type ProjectsQueryVariables = Exact<{
  archived?: boolean;
}>;


export type ProjectsQuery = { me: { kind: string, scopes: Array<string>, label: string, allProjects: boolean } | null, projects: Array<{ slug: string, name: string }> };

export type RestoreProjectMutationVariables = Exact<{
  slug: string;
}>;


export type RestoreProjectMutation = { restoreProject: { errors: Array<{ field: string | null, message: string }>, project: { slug: string, settings: { archivedAt: string | null } } | null } };

export type RetentionQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
}>;


export type RetentionQuery = { project: { retention: Array<{ start: string, activeAll: Array<number>, activePeople: Array<number>, size: { all: number, people: number } }> } };

export type RevokeKeyMutationVariables = Exact<{
  id: string;
}>;


export type RevokeKeyMutation = { revokeKey: { errors: Array<{ field: string | null, message: string }> } };

export type RevokeOtherSessionsMutationVariables = Exact<{ [key: string]: never; }>;


export type RevokeOtherSessionsMutation = { revokeOtherSessions: { ended: number, errors: Array<{ field: string | null, message: string }> } };

export type RevokeSessionMutationVariables = Exact<{
  id: string;
}>;


export type RevokeSessionMutation = { revokeSession: { ended: number, errors: Array<{ field: string | null, message: string }> } };

export type RunJobMutationVariables = Exact<{
  name: string;
}>;


export type RunJobMutation = { runJob: { errors: Array<{ field: string | null, message: string }> } };

export type SeriesQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  step?: Step;
}>;


export type SeriesQuery = { project: { series: { starts: Array<string>, events: Array<number>, successes: Array<number>, failures: Array<number>, activeAll: Array<number> | null, activePeople: Array<number> | null } } };

export type ServerHealthQueryVariables = Exact<{ [key: string]: never; }>;


export type ServerHealthQuery = { server: { version: string, engine: string, writable: boolean, bytes: number, queued: number, retentionDays: number, public: Array<string> }, jobs: Array<{ name: string, about: string, periodMinutes: number, startedAt: string | null, endedAt: string | null, result: string | null, detail: string | null }> };

export type SetTargetMutationVariables = Exact<{
  slug: string;
  type: string;
  id: string;
  visibility?: string;
}>;


export type SetTargetMutation = { setTarget: { errors: Array<{ field: string | null, message: string }> } };

export type TargetsQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  first?: number;
  type?: string | null | undefined;
  days?: number;
}>;


export type TargetsQuery = { project: { targets: Array<{ type: string, id: string, visibility: string, events: number, total: number, successes: number, failures: number, successRate: number | null, meanDuration: number | null }>, trending: { refreshedAt: string | null, targets: Array<{ targetType: string, targetId: string, score: number, events: number, counters: { views: number, copies: number, downloads: number, uses: number, exports: number, favorites: number, comments: number, votesUp: number, votesDown: number } }> } } };

export type TryAlertMutationVariables = Exact<{
  id: string;
}>;


export type TryAlertMutation = { tryAlert: { finding: string | null, answered: number | null, deliveryError: string | null, errors: Array<{ field: string | null, message: string }> } };

export type UpdateProjectMutationVariables = Exact<{
  slug: string;
  changes: ProjectChanges;
}>;


export type UpdateProjectMutation = { updateProject: { errors: Array<{ field: string | null, message: string }>, project: { slug: string, name: string, settings: { name: string, retentionDays: number | null, public: Array<string> | null, properties: Array<string>, hosts: Array<string> } } | null } };

export type UsageQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  first?: number;
}>;


export type UsageQuery = { project: { names: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null }> }, tools: { otherValues: number, otherEvents: number, rows: Array<{ value: string | null, targetType: string | null, events: number, successes: number, failures: number, successRate: number | null }> }, byName: { groups: Array<{ label: string | null, targetType: string | null, timed: number, mean: number | null, edges: Array<number>, counts: Array<number>, percentiles: { p50: number | null, p75: number | null, p90: number | null, p95: number | null, p99: number | null } }> }, byTool: { groups: Array<{ label: string | null, targetType: string | null, timed: number, mean: number | null, edges: Array<number>, counts: Array<number>, percentiles: { p50: number | null, p75: number | null, p90: number | null, p95: number | null, p99: number | null } }> } } };

export type VersionsQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
  filter?: EventFilter | null | undefined;
  step?: Step;
  first?: number;
}>;


export type VersionsQuery = { project: { versions: { starts: Array<string>, versions: Array<{ version: string | null, all: Array<number>, people: Array<number> }> } } };

export type VocabularyQueryVariables = Exact<{
  slug: string;
  period?: PeriodInput | null | undefined;
}>;


export type VocabularyQuery = { project: { vocabulary: { names: Array<string>, targetTypes: Array<string>, os: Array<string>, arch: Array<string>, runtime: Array<string>, versions: Array<string>, packageManagers: Array<string>, environments: Array<Environment>, properties: Array<string> } } };

/** Every operation: what it takes and what it answers. */
export interface Operations {
  ActiveUsers: { kind: "Query"; data: ActiveUsersQuery; variables: ActiveUsersQueryVariables };
  AnnounceVersion: { kind: "Mutation"; data: AnnounceVersionMutation; variables: AnnounceVersionMutationVariables };
  ArchiveProject: { kind: "Mutation"; data: ArchiveProjectMutation; variables: ArchiveProjectMutationVariables };
  Breakdown: { kind: "Query"; data: BreakdownQuery; variables: BreakdownQueryVariables };
  CreateAlert: { kind: "Mutation"; data: CreateAlertMutation; variables: CreateAlertMutationVariables };
  CreateKey: { kind: "Mutation"; data: CreateKeyMutation; variables: CreateKeyMutationVariables };
  CreateProject: { kind: "Mutation"; data: CreateProjectMutation; variables: CreateProjectMutationVariables };
  DeleteAlert: { kind: "Mutation"; data: DeleteAlertMutation; variables: DeleteAlertMutationVariables };
  Durations: { kind: "Query"; data: DurationsQuery; variables: DurationsQueryVariables };
  EraseInstall: { kind: "Mutation"; data: EraseInstallMutation; variables: EraseInstallMutationVariables };
  ErrorGroups: { kind: "Query"; data: ErrorGroupsQuery; variables: ErrorGroupsQueryVariables };
  Errors: { kind: "Query"; data: ErrorsQuery; variables: ErrorsQueryVariables };
  Events: { kind: "Query"; data: EventsQuery; variables: EventsQueryVariables };
  Experiment: { kind: "Query"; data: ExperimentQuery; variables: ExperimentQueryVariables };
  Funnel: { kind: "Query"; data: FunnelQuery; variables: FunnelQueryVariables };
  Installs: { kind: "Query"; data: InstallsQuery; variables: InstallsQueryVariables };
  Ledger: { kind: "Query"; data: LedgerQuery; variables: LedgerQueryVariables };
  Live: { kind: "Subscription"; data: LiveSubscription; variables: LiveSubscriptionVariables };
  Operation: { kind: "Query"; data: OperationQuery; variables: OperationQueryVariables };
  Overview: { kind: "Query"; data: OverviewQuery; variables: OverviewQueryVariables };
  OverviewPage: { kind: "Query"; data: OverviewPageQuery; variables: OverviewPageQueryVariables };
  ProjectCards: { kind: "Query"; data: ProjectCardsQuery; variables: ProjectCardsQueryVariables };
  ProjectSettings: { kind: "Query"; data: ProjectSettingsQuery; variables: ProjectSettingsQueryVariables };
  Projects: { kind: "Query"; data: ProjectsQuery; variables: ProjectsQueryVariables };
  RestoreProject: { kind: "Mutation"; data: RestoreProjectMutation; variables: RestoreProjectMutationVariables };
  Retention: { kind: "Query"; data: RetentionQuery; variables: RetentionQueryVariables };
  RevokeKey: { kind: "Mutation"; data: RevokeKeyMutation; variables: RevokeKeyMutationVariables };
  RevokeOtherSessions: { kind: "Mutation"; data: RevokeOtherSessionsMutation; variables: RevokeOtherSessionsMutationVariables };
  RevokeSession: { kind: "Mutation"; data: RevokeSessionMutation; variables: RevokeSessionMutationVariables };
  RunJob: { kind: "Mutation"; data: RunJobMutation; variables: RunJobMutationVariables };
  Series: { kind: "Query"; data: SeriesQuery; variables: SeriesQueryVariables };
  ServerHealth: { kind: "Query"; data: ServerHealthQuery; variables: ServerHealthQueryVariables };
  SetTarget: { kind: "Mutation"; data: SetTargetMutation; variables: SetTargetMutationVariables };
  Targets: { kind: "Query"; data: TargetsQuery; variables: TargetsQueryVariables };
  TryAlert: { kind: "Mutation"; data: TryAlertMutation; variables: TryAlertMutationVariables };
  UpdateProject: { kind: "Mutation"; data: UpdateProjectMutation; variables: UpdateProjectMutationVariables };
  Usage: { kind: "Query"; data: UsageQuery; variables: UsageQueryVariables };
  Versions: { kind: "Query"; data: VersionsQuery; variables: VersionsQueryVariables };
  Vocabulary: { kind: "Query"; data: VocabularyQuery; variables: VocabularyQueryVariables };
}

/** The SHA-256 of each document, by which the server knows it. */
export const HASHES: Record<keyof Operations, string> = {
  ActiveUsers: "604a6f0a4fac375a7a99cbc3f4fff85b135682cb838c8a9f88947ae8b3a45344",
  AnnounceVersion: "34894a998e6f18270a727f66b0f527010929c6618fa4375588c4f322f4caf321",
  ArchiveProject: "3d4c6c99182b4e8b51c2ee2f8b69c0fa4dd7df0b5eac05d465fe5bd0275f22d2",
  Breakdown: "a1dae65018de7b00ffda1c5d4e0345f6444e06cc0ca9a1fb86f2f2477b43ccb0",
  CreateAlert: "b3a3d9e2f17d6206992da997f5ca77f491457688fff8e0cf6c59e5c3112465b1",
  CreateKey: "c553987f4a382276af675058531db681a06144406b596db0d45b08c187007259",
  CreateProject: "45e50efd8faa6537d2ddcbfccbf48808bb8d22dad8792a3aa44c97c354bf0de3",
  DeleteAlert: "14c79aaefeabc8e7759cf153a260bd6ef37b8b3546d1b6964abdb487f4b021a8",
  Durations: "2fc3bbd9530fe9ea7d36098c6989a7731d6e6b4fb5109e0f70c3ceea0206472c",
  EraseInstall: "032c0afc8af4feb194e3ce22c22d1d454e6794bf6ef2bea81b0320bfa79a42dd",
  ErrorGroups: "bbc1a6c24ee3f692c691be614c9be72332b5a1e09585fef047a14c719cb5cb0d",
  Errors: "4ab234a0f65e0886fbefba7f7150f7ad17e5a25ed031f1436c83ce8d5d3f2dea",
  Events: "c8762506e8b4ccce79b1a5f442a2dfd0117100c64e40ad009921b0c9cd65f4f1",
  Experiment: "e2f12444b40664ff24ac9e259a0192f468f582d66ff21f1e587d931d6333e59a",
  Funnel: "72a75755bb4354f8f6d2e98e13e9cec8cefff5bf64e3e4d697a8fc93da06397d",
  Installs: "be5f421c8275fdfde91e98a118088d311bf52ab0a2d10b454a507f974dc03f1a",
  Ledger: "2c14acdaff167c43cab211dd56a8bffb0ece1b55bac1c14e22b20aa536f56375",
  Live: "138a2e483e10e070aba123872cb6e69b585cb868cb69f60ecd3c0fa6a2ddd37f",
  Operation: "4d05a6cd79d76f35e26c04be25ce78149d6a9e1a24faf4ef90656637021e0905",
  Overview: "c86475a2d7400a630399cd9ed3420427da4d7941be5b0ca1983da1c34ee25ebf",
  OverviewPage: "abea3860dd8a4b39a48703018773e65399708c0fa3c30b06ec918744c09ef609",
  ProjectCards: "e335401c71c4acc489e0fca45a2b0339a2e9965c9893c231193a24351cb75265",
  ProjectSettings: "6dcd8a9c6d9d453cdce0a24d7bca775a66bdd4860623faa5a9da1e7838eb0b54",
  Projects: "59654b79ab421e62586e3979e565926cb472ff64954740d1cb4285b6c96fd242",
  RestoreProject: "f83dd9b22a34f685512bacd64a894f9dea156cd9703c20ff981ea5c2a824b5bb",
  Retention: "296c3e3e79668671ed2e956d1f0536464bba5751d0376faebef66d0baf74381a",
  RevokeKey: "31cdd92ff8caff7864019e9f35b69e7e23091c89a45cd293ac4cad08aeb9bf0c",
  RevokeOtherSessions: "45109aaa41d496b11de5cb467455bc6225eb3092bc873fdf17f1734e9f391566",
  RevokeSession: "e468ee76105ee91a038dd234f9fd0e71bc8fa6d678ada68441e963afc21570e7",
  RunJob: "d651dd61e5a0637cc0ce90da06ccc4f0962958a31c91e6ef49a33c7bd8c05471",
  Series: "9b2b11ec476f2a670e2b92c61b6d27b6152ab8727b723fecb56dcb18bc1e77ae",
  ServerHealth: "65f6cc2d940df2976a0a46b05c137a375403fcaed6fa93ed5bb5d279377c3108",
  SetTarget: "01d45e5ea7526ee029d634ff3743d200594449d6707e111f6c8126137dee834a",
  Targets: "69f64e9ffd27e943edf0b02a92f32cea053d53cd45b2559953baf474e64c19ca",
  TryAlert: "53b3575959a706dcbbdd09996cf0cf26db7caf45c014fa7737fd9caf0142a239",
  UpdateProject: "031ef8b4ec5141d6c5f4910dd474ca0a0db0c5b0060d9f6ae21f16f38a636f82",
  Usage: "4c75e4683932e18d9a1dd3e716820ec10b40d6fea5ee24532b27e9288c5ec4e0",
  Versions: "82111ab49dc3f359207ec5d9c668a8fdad8b23b60cd7f824d4a502ee3d14ea5d",
  Vocabulary: "10bb6d7103e3a0d05ae3be784eac402403ace093426b822fcd4963e18f9d6381",
};

/** The one document that goes over a WebSocket, with its text. */
export const LIVE = "subscription Live($slug: String!, $filter: EventFilter) {\n  events(slug: $slug, filter: $filter) {\n    missed\n    events {\n      id\n      name\n      receivedAt\n      target { type id }\n      outcome\n      duration\n      errorType\n      environment\n      os\n      version\n      properties\n      install { hash }\n    }\n  }\n}\n";
