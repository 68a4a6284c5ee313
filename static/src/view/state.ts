import { useMemo } from "preact/hooks";
import type { EventFilter } from "../generated/operations.ts";
import { useParams } from "./address.ts";
import { type Condition, conditionOf, conditionText, isSame, isValue } from "./conditions.ts";
import { type Range, type Span, rangeOf, spanOf } from "./period.ts";

// Short parameters for one value of a field, as in `?os=linux`, which links may use. A change of the filters replaces them.
const SHORT: Record<string, string> = { name: "name", os: "os", arch: "arch", runtime: "runtime", version: "version", pm: "package_manager", env: "environment", outcome: "outcome" };
const TARGET = "target"; // type, colon, ID

/** Period, audience and filters of a page. All of it is in the address, so that links and the back button work. */
export interface View {
  range: Range;
  from: string;
  to: string;
  people: boolean;
  where: Condition[];
  span: Span;
  /** Audience and conditions as operations take them. */
  filter: EventFilter;
}

export interface Viewing extends View {
  set(changes: Partial<Pick<View, "range" | "from" | "to" | "people">>): void;
  setWhere(where: Condition[]): void;
  /** Reports whether all of the conditions are set. */
  isSet(conditions: Condition[]): boolean;
  /** Sets conditions, or removes them if they are set. A single value replaces a condition on several of the same field. */
  toggle(conditions: Condition[]): void;
}

/** The conditions of an address. */
function whereOf(params: URLSearchParams): Condition[] {
  const short = Object.entries(SHORT).flatMap(([name, field]) => (params.get(name) ? [isValue(field, params.get(name))] : []));
  const target = params.get(TARGET);
  return [...short, ...(target ? targetConditions(target.slice(0, target.indexOf(":")), target.slice(target.indexOf(":") + 1)) : []), ...params.getAll("where").flatMap(conditionOf)];
}

/** The conditions that select one target. */
export const targetConditions = (type: string | null, id: string): Condition[] => [isValue("target_type", type), isValue("target", id)];

/** Parses the view from an address. */
export function viewOf(params: URLSearchParams): View {
  const range = rangeOf(params.get("range")) ?? "30d";
  const [from, to] = [params.get("from") ?? "", params.get("to") ?? ""];
  const people = params.get("who") === "people";
  const where = whereOf(params);
  return { range, from, to, people, where, span: spanOf(range, from, to), filter: filterOf(people, where) };
}

const filterOf = (people: boolean, where: Condition[]): EventFilter => ({ ...(people ? { audience: "PEOPLE" } : {}), ...(where.length > 0 ? { where } : {}) });

/** Writes conditions into the parameters of an address. */
export function writeWhere(params: URLSearchParams, where: Condition[]): void {
  for (const name of [...Object.keys(SHORT), TARGET, "where"]) params.delete(name);
  for (const condition of where) params.append("where", conditionText(condition));
}

/** The view of the current address, with functions that change it. */
export function useView(): Viewing {
  const [params, change] = useParams();
  const view = useMemo(() => viewOf(params), [params]);
  const setWhere = (where: Condition[]) => change((next) => writeWhere(next, where));
  const isSet = (conditions: Condition[]) => includes(view.where, conditions);
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
    setWhere,
    isSet,
    toggle: (conditions) => {
      // Read from the address, because the drawn page may be that of an older one.
      change((next) => {
        const where = whereOf(next);
        const kept = where.filter((other) => !conditions.some((condition) => isSame(condition, other) || isWider(other, condition)));
        writeWhere(next, includes(where, conditions) ? kept : [...kept, ...conditions]);
      });
    },
  };
}

/** Reports whether all of some conditions are among those of a filter. */
const includes = (where: Condition[], conditions: Condition[]): boolean => conditions.every((condition) => where.some((other) => isSame(condition, other)));

/** Reports whether a condition allows several values, all of the other's among them. */
const isWider = (one: Condition, other: Condition): boolean =>
  one.field === other.field && one.op === "IS" && other.op === "IS" && one.values.length > other.values.length && other.values.every((value) => one.values.includes(value));

function put(params: URLSearchParams, name: string, value: string): void {
  if (value) params.set(name, value);
  else params.delete(name);
}
