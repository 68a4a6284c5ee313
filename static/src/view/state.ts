import { useMemo } from "preact/hooks";
import type { EventFilter } from "../generated/operations.ts";
import { useParams } from "./address.ts";
import { type Range, type Span, rangeOf, spanOf } from "./period.ts";

/** Filters with their labels. Each is a parameter of the address. */
export const FILTERS = {
  name: "Event",
  os: "OS",
  arch: "Architecture",
  runtime: "Runtime",
  version: "Version",
  pm: "Package manager",
  env: "Environment",
  target: "Target",
  outcome: "Outcome",
} as const;
export type FilterName = keyof typeof FILTERS;
export type Filters = Partial<Record<FilterName, string>>;

/** Period, audience and filters of a page. All of it is in the address, so that links and the back button work. */
export interface View {
  range: Range;
  from: string;
  to: string;
  people: boolean;
  filters: Filters;
  span: Span;
  filter: EventFilter;
}

export interface Viewing extends View {
  set(changes: Partial<Pick<View, "range" | "from" | "to" | "people">>): void;
  /** Sets a filter, or removes it if the value is null. */
  pick(name: FilterName, value: string | null): void;
  clear(): void;
}

/** Parses the view from an address. */
export function viewOf(params: URLSearchParams): View {
  const range = rangeOf(params.get("range")) ?? "30d";
  const [from, to] = [params.get("from") ?? "", params.get("to") ?? ""];
  const people = params.get("who") === "people";
  const filters: Filters = {};
  for (const name of Object.keys(FILTERS) as FilterName[]) {
    const value = params.get(name);
    if (value) filters[name] = value;
  }
  return { range, from, to, people, filters, span: spanOf(range, from, to), filter: filterOf(filters, people) };
}

/** Encodes a target for an address: type, colon, ID. */
export const targetText = (type: string | null, id: string): string => `${type ?? ""}:${id}`;

function filterOf(filters: Filters, people: boolean): EventFilter {
  const filter: EventFilter = {};
  if (people) filter.audience = "PEOPLE";
  if (filters.name) filter.names = [filters.name];
  if (filters.os) filter.os = filters.os;
  if (filters.arch) filter.arch = filters.arch;
  if (filters.runtime) filter.runtime = filters.runtime;
  if (filters.version) filter.version = filters.version;
  if (filters.pm) filter.packageManager = filters.pm;
  if (filters.env) filter.environments = [filters.env.toUpperCase() as NonNullable<EventFilter["environments"]>[number]];
  if (filters.outcome) filter.outcome = filters.outcome === "failure" ? "FAILURE" : "SUCCESS";
  if (filters.target) {
    const cut = filters.target.indexOf(":");
    filter.target = { type: filters.target.slice(0, cut), id: filters.target.slice(cut + 1) };
  }
  return filter;
}

/** The view of the current address, with functions that change it. */
export function useView(): Viewing {
  const [params, change] = useParams();
  const view = useMemo(() => viewOf(params), [params]);
  return {
    ...view,
    set: (changes) =>
      change((next) => {
        if (changes.range) put(next, "range", changes.range === "30d" ? "" : changes.range);
        if (changes.range && changes.range !== "custom") for (const name of ["from", "to"]) next.delete(name);
        if (changes.from !== undefined) put(next, "from", changes.from);
        if (changes.to !== undefined) put(next, "to", changes.to);
        if (changes.people !== undefined) put(next, "who", changes.people ? "people" : "");
      }),
    pick: (name, value) => change((next) => put(next, name, value ?? "")),
    clear: () => change((next) => Object.keys(FILTERS).forEach((name) => next.delete(name))),
  };
}

function put(params: URLSearchParams, name: string, value: string): void {
  if (value) params.set(name, value);
  else params.delete(name);
}
