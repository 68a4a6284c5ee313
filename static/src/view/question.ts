import { useMemo } from "preact/hooks";
import { useSearchParams } from "wouter-preact";
import type { Variables } from "../api/client.ts";
import { FILTERS, type FilterName, type Filters, viewOf } from "./state.ts";

type QuestionInput = Variables<"Ask">["question"];
export type MeasureName = NonNullable<QuestionInput["measures"]>[number];
type ConditionInput = NonNullable<QuestionInput["where"]>[number];
export type Op = NonNullable<ConditionInput["op"]>;
export type StepName = NonNullable<QuestionInput["over"]>;
export type Comparison = NonNullable<QuestionInput["compare"]>;
export type VersionPart = "MAJOR" | "MINOR";

export interface Condition {
  field: string;
  op: Op;
  values: string[];
}
export interface Split {
  field: string;
  version: VersionPart | null;
}
export interface Segment {
  name: string;
  where: Condition[];
}
export type ChartName = "line" | "bars" | "table";

/** A question as the address holds it. `over` is null for one figure for the whole period. */
export interface Question {
  measures: MeasureName[];
  where: Condition[];
  by: Split[];
  over: StepName | null;
  compare: Comparison | null;
  segments: Segment[];
  chart: ChartName;
  /** Number of groups listed. */
  first: number;
}

export const MEASURES: MeasureName[] = ["EVENTS", "SUCCESSES", "FAILURES", "FAILURE_RATE", "INSTALLS", "NEW_INSTALLS", "P50", "P75", "P90", "P95", "P99", "MEAN", "PER_INSTALL_P50", "PER_INSTALL_P90", "PER_INSTALL_MEAN"];
export const OPS: Op[] = ["IS", "IS_NOT", "EXISTS", "MISSING", "PREFIX", "CONTAINS", "SEMVER", "ABOVE", "BELOW"];
export const STEPS: StepName[] = ["HOUR", "DAY", "WEEK", "MONTH"];
export const MOST_MEASURES = 6;
export const MOST_SEGMENTS = 4;
const CHARTS: ChartName[] = ["line", "bars", "table"];
const LINES = 7; // groups of a line chart: with the row for all others, as many as there are colors
const ROWS = 10;
const MOST_ROWS = 200;

/** Reports whether an operator takes no value. */
export const isUnary = (op: Op): boolean => op === "EXISTS" || op === "MISSING";
/** Reports whether an operator takes exactly one value. */
export const isSingle = (op: Op): boolean => op === "SEMVER" || op === "ABOVE" || op === "BELOW";

// Separators in the address, and the percent sign, which the router decodes twice. In names and values, `~` and the position stand for each.
const SEPARATORS = "~:,;%";
const escape = (text: string): string => text.replaceAll(/[~:,;%]/g, (each) => `~${SEPARATORS.indexOf(each)}`);
const unescape = (text: string): string => text.replaceAll(/~([0-4])/g, (_, place) => SEPARATORS[Number(place)] ?? "");

const found = <T extends string>(text: string | null | undefined, all: readonly T[]): T | undefined => all.find((each) => each.toLowerCase() === text?.toLowerCase());

/** Encodes a condition for the address: `os:is:linux,macos`. */
export const conditionText = ({ field, op, values }: Condition): string => [escape(field), op.toLowerCase(), ...(values.length > 0 ? [values.map(escape).join(",")] : [])].join(":");

function conditionOf(text: string): Condition[] {
  const [field = "", op, values] = text.split(":");
  const known = found(op, OPS);
  return field && known ? [{ field: unescape(field), op: known, values: values === undefined ? [] : values.split(",").map(unescape) }] : [];
}

const splitText = ({ field, version }: Split): string => (version ? `${escape(field)}:${version.toLowerCase()}` : escape(field));

function splitOf(text: string): Split {
  const [field = "", version] = text.split(":");
  return { field: unescape(field), version: found(version, ["MAJOR", "MINOR"] as const) ?? null };
}

function segmentOf(text: string): Segment {
  const [name = "", ...where] = text.split(";");
  return { name: unescape(name), where: where.flatMap(conditionOf) };
}

const FIELD_OF: Partial<Record<FilterName, string>> = { pm: "package_manager", env: "environment" };

/** The conditions that equal the filters of other pages. */
function conditionsOf(filters: Filters): Condition[] {
  return (Object.entries(filters) as [FilterName, string][]).flatMap(([name, value]) => {
    if (name !== "target") return [{ field: FIELD_OF[name] ?? name, op: "IS", values: [value] }];
    const cut = value.indexOf(":");
    return [
      { field: "target_type", op: "IS", values: [value.slice(0, cut)] },
      { field: "target", op: "IS", values: [value.slice(cut + 1)] },
    ];
  });
}

/** Parses the question of an address. */
export function questionOf(params: URLSearchParams): Question {
  const { filters, span } = viewOf(params);
  const measures = (params.get("measures") ?? "").split(",").flatMap((name) => found(name, MEASURES) ?? []);
  const named = found(params.get("chart"), CHARTS);
  const chart = named ?? (params.get("over") === "none" ? "bars" : "line");
  const over = chart === "bars" || params.get("over") === "none" ? null : (found(params.get("over"), STEPS) ?? (chart === "line" ? span.step : null));
  const first = Number(params.get("first"));
  return {
    measures: measures.length > 0 ? [...new Set(measures)].slice(0, MOST_MEASURES) : ["EVENTS"],
    where: [...conditionsOf(filters), ...params.getAll("where").flatMap(conditionOf)],
    by: params.getAll("by").filter(Boolean).slice(0, 2).map(splitOf),
    over,
    compare: found(params.get("compare"), ["PREVIOUS", "LAST_YEAR"] as const) ?? null,
    segments: params.getAll("segment").slice(0, MOST_SEGMENTS).map(segmentOf),
    chart: chart === "line" && over === null ? "bars" : chart,
    first: Number.isInteger(first) && first >= 1 && first <= MOST_ROWS ? first : chart === "line" ? LINES : ROWS,
  };
}

/** Changes to a question. `over` is null for none and undefined for the step that fits the period. */
export type QuestionChanges = Partial<Omit<Question, "over" | "first">> & { over?: StepName | null | undefined; first?: number | undefined };

/** Writes changes of a question into the parameters of an address. */
export function writeQuestion(params: URLSearchParams, changes: QuestionChanges): void {
  const list = (name: string, values: string[]) => {
    params.delete(name);
    for (const value of values) params.append(name, value);
  };
  if (changes.measures) list("measures", [changes.measures.join(",").toLowerCase()]);
  if (changes.where) {
    for (const name of Object.keys(FILTERS)) params.delete(name);
    list("where", changes.where.map(conditionText));
  }
  if (changes.by) list("by", changes.by.map(splitText));
  if (changes.segments) list("segment", changes.segments.map(({ name, where }) => [escape(name), ...where.map(conditionText)].join(";")));
  if ("compare" in changes) list("compare", changes.compare ? [changes.compare.toLowerCase()] : []);
  if ("over" in changes) list("over", changes.over === undefined ? [] : [changes.over?.toLowerCase() ?? "none"]);
  if (changes.chart) list("chart", [changes.chart]);
  if ("first" in changes) list("first", changes.first ? [String(changes.first)] : []);
  else if (changes.chart || changes.by) params.delete("first");
}

/** The question of the current address, with a function that changes it. */
export function useQuestion(): { question: Question; change: (changes: QuestionChanges) => void } {
  const [params, setParams] = useSearchParams();
  const text = params.toString();
  const question = useMemo(() => questionOf(new URLSearchParams(text)), [text]);
  const change = (changes: QuestionChanges) =>
    setParams((old) => {
      const next = new URLSearchParams(old);
      writeQuestion(next, changes);
      return next;
    });
  return { question, change };
}

/** Reports whether two conditions are equal. */
export const isSame = (one: Condition, other: Condition): boolean => conditionText(one) === conditionText(other);

/** The condition that selects one group of a split. */
export function groupCondition({ field, version }: Split, key: string | null): Condition {
  if (key === null) return { field, op: "MISSING", values: [] };
  return { field, op: version && /^\d+(\.\d+)?$/.test(key) ? "SEMVER" : "IS", values: [key] };
}
