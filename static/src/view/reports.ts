// Funnels, retention and paths, and how an address holds them.
import type { Variables } from "../api/client.ts";
import { type Condition, type Split, conditionOf, conditionText, escape, found, isSame, isValue, splitOf, splitText, unescape } from "./conditions.ts";
import { type Span, periodParams } from "./period.ts";
import { viewOf, writeWhere } from "./state.ts";

export type FunnelInput = Variables<"AskFunnel">["funnel"];
export type RetentionInput = Variables<"AskRetention">["retention"];
export type PathsInput = Variables<"AskPaths">["paths"];
export type Report = "funnel" | "retention" | "paths";
export type CohortStep = "DAY" | "WEEK" | "MONTH";

export interface Step {
  name: string;
  where: Condition[];
}

const DAY_HOURS = 24;
const MOST_HOURS = 2160; // the server's maximum
export const LONGEST_PATH = 5;
export const MOST_PATHS = 50; // the server's maximum

/** Parses a step of an address: the name of an event, or a name and conditions, as in a segment. `name;` is a step without conditions. */
function stepOf(text: string): Step {
  const [name = "", ...where] = text.split(";");
  const plain = unescape(name);
  return { name: plain, where: where.length > 0 ? where.flatMap(conditionOf) : [isValue("name", plain)] };
}

/** Encodes a step for the address. */
function stepText({ name, where }: Step): string {
  const [only, ...more] = where;
  const isPlain = only !== undefined && more.length === 0 && isSame(only, isValue("name", name));
  return [escape(name), ...(isPlain ? [] : where.length > 0 ? where.map(conditionText) : [""])].join(";");
}

/** The step that an event of a name meets. */
export const eventStep = (name: string): Step => ({ name, where: [isValue("name", name)] });

export const stepsOf = (params: URLSearchParams): Step[] => params.getAll("step").map(stepOf);

export function writeSteps(params: URLSearchParams, steps: Step[]): void {
  params.delete("step");
  for (const step of steps) params.append("step", stepText(step));
}

export const splitsOf = (params: URLSearchParams): Split[] => params.getAll("by").filter(Boolean).slice(0, 2).map(splitOf);

export function writeSplits(params: URLSearchParams, by: Split[]): void {
  params.delete("by");
  for (const split of by) params.append("by", splitText(split));
}

export const conditionsOf = (params: URLSearchParams, name: string): Condition[] => params.getAll(name).flatMap(conditionOf);

export function writeConditions(params: URLSearchParams, name: string, where: Condition[]): void {
  params.delete(name);
  for (const condition of where) params.append(name, conditionText(condition));
}

/** Reads a number of the address; the default if it is none from `least` to `most`. */
function numberOf(params: URLSearchParams, name: string, standard: number, least: number, most: number): number {
  const text = params.get(name);
  const number = Number(text);
  return text && number >= least && number <= most ? number : standard;
}

/** The parts that all reports have. */
function commonOf(params: URLSearchParams, most = 200) {
  const { where, people } = viewOf(params);
  return { where, by: splitsOf(params), first: Math.round(numberOf(params, "first", 10, 1, most)), audience: audienceOf(people) };
}

export const audienceOf = (people: boolean) => (people ? ("PEOPLE" as const) : ("EVERYTHING" as const));

/** Parses the funnel of an address. */
export function funnelOf(params: URLSearchParams): FunnelInput {
  const withinHours = numberOf(params, "within", DAY_HOURS, 1 / 60, MOST_HOURS);
  return { ...commonOf(params), steps: stepsOf(params), withinHours, ordered: params.get("order") !== "any", period: viewOf(params).span.period };
}

/** The length of the cohorts of an address. */
export const cohortsOf = (params: URLSearchParams): CohortStep => found(params.get("cohorts"), ["DAY", "WEEK", "MONTH"] as const) ?? "WEEK";

/** Parses the retention of an address. */
export function retentionOf(params: URLSearchParams): RetentionInput {
  const { period } = viewOf(params).span;
  return { ...commonOf(params), over: cohortsOf(params), start: conditionsOf(params, "start"), return: conditionsOf(params, "return"), period };
}

/** Parses the paths of an address. */
export function pathsOf(params: URLSearchParams): PathsInput {
  return {
    ...commonOf(params, MOST_PATHS),
    event: conditionsOf(params, "event"),
    direction: params.get("direction") === "before" ? "BEFORE" : "AFTER",
    within: params.get("within") === "day" ? "DAY" : "SESSION",
    length: Math.round(numberOf(params, "length", 3, 1, LONGEST_PATH)),
    period: viewOf(params).span.period,
  };
}

/** The report of an address; null for a question. */
export const reportOf = (params: URLSearchParams): Report | null => found(params.get("report"), ["funnel", "retention", "paths"] as const) ?? null;

/** The parts of a saved report that all reports have. */
interface SavedReport {
  where: Condition[];
  by: Split[];
  period: Span["period"];
  first: number;
  audience: string;
}

/** Parameters of the address for the parts that all reports have. */
export function reportParams(report: Report, { where, by, period, first, audience }: SavedReport): URLSearchParams {
  const params = new URLSearchParams({ report });
  const { range, from, to } = periodParams(period);
  const who = audience === "PEOPLE" ? "people" : "";
  for (const [name, value] of Object.entries({ range: range === "30d" ? "" : range, from, to, who, first: first === 10 ? "" : String(first) })) if (value) params.set(name, value);
  writeWhere(params, where);
  writeSplits(params, by);
  return params;
}

/** Parameters of the address that show a saved funnel. */
export function funnelParams(funnel: SavedReport & { steps: Step[]; withinHours: number; ordered: boolean }): URLSearchParams {
  const params = reportParams("funnel", funnel);
  writeSteps(params, funnel.steps);
  if (funnel.withinHours !== DAY_HOURS) params.set("within", String(funnel.withinHours));
  if (!funnel.ordered) params.set("order", "any");
  return params;
}

/** Parameters of the address that show saved retention. */
export function retentionParams(retention: SavedReport & { over: string; start: Condition[]; return: Condition[] }): URLSearchParams {
  const params = reportParams("retention", retention);
  if (retention.over !== "WEEK") params.set("cohorts", retention.over.toLowerCase());
  writeConditions(params, "start", retention.start);
  writeConditions(params, "return", retention.return);
  return params;
}

/** Parameters of the address that show saved paths. */
export function pathsParams(paths: SavedReport & { event: Condition[]; direction: string; within: string; length: number }): URLSearchParams {
  const params = reportParams("paths", paths);
  writeConditions(params, "event", paths.event);
  if (paths.direction === "BEFORE") params.set("direction", "before");
  if (paths.within === "DAY") params.set("within", "day");
  if (paths.length !== 3) params.set("length", String(paths.length));
  return params;
}
