import { type Query, type UseQueryResult, hashKey, keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/preact-query";
import { useMemo } from "preact/hooks";
import { useUpcomingParams } from "../view/address.ts";
import { type Data, type Name, ApiError, type Variables, runOperation } from "./client.ts";

const REFRESH = 60_000; // ms
const RECOVER = 3_000; // ms

/** Milliseconds until the next refetch: short while the server is unreachable, such as during a restart. */
const next = <T>(query: Query<T, Error>, refresh: (data: T | undefined) => number | false): number | false =>
  query.state.error instanceof ApiError && query.state.error.code === "OFFLINE" ? RECOVER : refresh(query.state.data);

export type Answer<N extends Name> = UseQueryResult<Data<N>, Error>;

const queryOf = <N extends Name>(name: N, variables: Variables<N>) => ({
  queryKey: [name, variables],
  queryFn: ({ signal }: { signal: AbortSignal }) => runOperation(name, variables, signal),
});

/** Queries an operation as soon as the address changes, before the page is drawn. `variablesOf` returns null to leave the query to `useOperation`. */
export function useAhead<N extends Name>(name: N, variablesOf: (params: URLSearchParams) => Variables<N> | null): void {
  const client = useQueryClient();
  useUpcomingParams((params) => {
    const variables = variablesOf(params);
    if (variables) void client.prefetchQuery(queryOf(name, variables));
  });
}

/**
 * Queries a persisted operation and refetches it each minute while the tab is visible. While a query with new variables loads, the
 * previous data stays.
 */
export function useOperation<N extends Name>(
  name: N,
  variables: Variables<N>,
  options: { refresh?: (data: Data<N> | undefined) => number | false; enabled?: boolean } = {},
): Answer<N> {
  const { refresh, enabled = true } = options;
  const client = useQueryClient();
  const query = queryOf(name, variables);
  // `useQuery` asks once the page is painted; this asks while it is rendered, parents before their children.
  useMemo(() => {
    if (enabled) void client.prefetchQuery(query);
  }, [client, enabled, hashKey(query.queryKey)]);
  return useQuery<Data<N>, Error>({
    ...query,
    refetchInterval: (query) => next(query as Query<Data<N>, Error>, refresh ?? (() => REFRESH)),
    placeholderData: keepPreviousData as never,
    enabled,
  });
}

type Projects = Data<"Projects">["projects"]["nodes"];

/** Queries the account and all pages of its projects. Refetches each minute, or each `refresh` ms. */
export function useProjects({ archived = false, refresh = REFRESH }: { archived?: boolean; refresh?: number } = {}) {
  return useQuery<{ me: Data<"Projects">["me"]; projects: Projects }, Error>({
    queryKey: ["Projects", { archived }],
    queryFn: async ({ signal }) => {
      const found: Projects = [];
      for (let after: string | null = null; ; ) {
        const { me, projects }: Data<"Projects"> = await runOperation("Projects", { archived, after }, signal);
        found.push(...projects.nodes);
        after = projects.pageInfo.endCursor;
        if (!projects.pageInfo.hasNextPage || after === null) return { me, projects: found };
      }
    },
    refetchInterval: (query) => next(query as Query<{ me: Data<"Projects">["me"]; projects: Projects }, Error>, () => refresh),
  });
}

interface UserError {
  field?: string | null;
  message: string;
}

/** A validation error of a mutation, with the field if it concerns one. */
export class FieldError extends Error {
  readonly field: string | null;

  constructor({ field, message }: UserError) {
    super(message);
    this.field = field ?? null;
  }
}

/**
 * A mutation. Success invalidates all queries; failures throw FieldError or ApiError. `leave` runs before the queries refetch, for
 * mutations that make what is shown unavailable.
 */
export function useChange<N extends Name>(name: N, leave?: (variables: Variables<N>) => void) {
  const client = useQueryClient();
  return useMutation<Data<N>, Error, Variables<N>>({
    mutationFn: async (variables) => {
      const data = await runOperation(name, variables);
      const [result] = Object.values(data as Record<string, { errors: UserError[] }>);
      const error = result?.errors[0];
      if (error) throw new FieldError(error);
      return data;
    },
    onSuccess: (_, variables) => {
      leave?.(variables);
      return client.invalidateQueries();
    },
  });
}

export { ApiError };
