import { type Query, type UseQueryResult, keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/preact-query";
import { type Data, type Name, Refused, type Variables, ask } from "./client.ts";

const REFRESH = 60_000; // ms
const RECOVER = 3_000; // ms

/** The time until a query is repeated: short while the server is unreachable, such as during a restart. */
const next = <T>(query: Query<T, Error>, refresh: (data: T | undefined) => number | false): number | false =>
  query.state.error instanceof Refused && query.state.error.code === "OFFLINE" ? RECOVER : refresh(query.state.data);

export type Answer<N extends Name> = UseQueryResult<Data<N>, Error>;

/**
 * The answer of a documented operation, asked again each minute while the tab is seen. While other variables are asked for, the last
 * answer stays.
 */
export function useAsk<N extends Name>(
  name: N,
  variables: Variables<N>,
  options: { refresh?: (data: Data<N> | undefined) => number | false; enabled?: boolean } = {},
): Answer<N> {
  const { refresh, enabled = true } = options;
  return useQuery<Data<N>, Error>({
    queryKey: [name, variables],
    queryFn: ({ signal }) => ask(name, variables, signal),
    refetchInterval: (query) => next(query as Query<Data<N>, Error>, refresh ?? (() => REFRESH)),
    placeholderData: keepPreviousData as never,
    enabled,
  });
}

type Projects = Data<"Projects">["projects"]["nodes"];

/** Who asks, and all projects that they may see, however many pages that takes. Asked again each minute, or each `refresh` ms. */
export function useProjects({ archived = false, refresh = REFRESH }: { archived?: boolean; refresh?: number } = {}) {
  return useQuery<{ me: Data<"Projects">["me"]; projects: Projects }, Error>({
    queryKey: ["Projects", { archived }],
    queryFn: async ({ signal }) => {
      const found: Projects = [];
      for (let after: string | null = null; ; ) {
        const { me, projects }: Data<"Projects"> = await ask("Projects", { archived, after }, signal);
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

/** A change that the server refused, with the field that is wrong where it is one's. */
export class Wrong extends Error {
  readonly field: string | null;

  constructor({ field, message }: UserError) {
    super(message);
    this.field = field ?? null;
  }
}

/**
 * A change. What was asked before is asked again when it is done; what is wrong with it is thrown as Wrong or Refused. `leave` is called
 * before anything is asked again: for a change after which this page is gone.
 */
export function useChange<N extends Name>(name: N, leave?: () => void) {
  const client = useQueryClient();
  return useMutation<Data<N>, Error, Variables<N>>({
    mutationFn: async (variables) => {
      const data = await ask(name, variables);
      const [result] = Object.values(data as Record<string, { errors: UserError[] }>);
      const error = result?.errors[0];
      if (error) throw new Wrong(error);
      return data;
    },
    onSuccess: () => {
      leave?.();
      return client.invalidateQueries();
    },
  });
}

export { Refused };
