import { useMemo } from "preact/hooks";
import type { Variables } from "../api/client.ts";
import { useParams } from "./address.ts";
import { type Condition, type Split, conditionOf, conditionText, escape, found, splitOf, splitText, unescape } from "./conditions.ts";
import { periodParams, rangeOf, spanOf } from "./period.ts";
import { type View, viewOf, writeWhere } from "./state.ts";

type QuestionInput = Variables<"Ask">["question"];
export type MeasureName = NonNullable<QuestionInput["measures"]>[number];
export type StepName = NonNullable<QuestionInput["over"]>;
export type Comparison = NonNullable<QuestionInput["compare"]>;

export interface Segment {
  name: string;
  where: Condition[];
}
type Period = NonNullable<QuestionInput["period"]>;
export type ChartName = "line" | "bars" | "table";

/** A question as the address holds it. `over` is null for one figure for the whole period. */
export interface Question {
  measures: MeasureName[];
  where: Condition[];
  by: Split[];
  over: StepName | null;
  compare: Comparison | null;
  /** A period of its own to compare with, in place of `compare`. */
  compareTo: Period | null;
  segments: Segment[];
  chart: ChartName;
  /** Number of groups listed. */
  first: number;
}

export const MEASURES: MeasureName[] = ["EVENTS", "SUCCESSES", "FAILURES", "FAILURE_RATE", "INSTALLS", "NEW_INSTALLS", "P50", "P75", "P90", "P95", "P99", "MEAN", "PER_INSTALL_P50", "PER_INSTALL_P90", "PER_INSTALL_MEAN"];
export const STEPS: StepName[] = ["HOUR", "DAY", "WEEK", "MONTH"];
export const MOST_MEASURES = 6;
export const MOST_SEGMENTS = 4;
const CHARTS: ChartName[] = ["line", "bars", "table"];
const LINES = 7; // groups of a line chart: with the row for all others, as many as there are colors
const ROWS = 10;
const MOST_ROWS = 200;

function segmentOf(text: string): Segment {
  const [name = "", ...where] = text.split(";");
  return { name: unescape(name), where: where.flatMap(conditionOf) };
}

/** Encodes a period to compare with for the address: `14d`, or two days with a comma. */
function periodText(period: Period): string {
  const { range, from, to } = periodParams(period);
  return range === "custom" ? `${from},${to}` : range;
}

function periodOf(text: string | null): Period | null {
  const [from = "", to] = text?.split(",") ?? [];
  const range = rangeOf(from);
  return to !== undefined ? spanOf("custom", from, to).period : range && range !== "custom" ? spanOf(range, "", "").period : null;
}

/** Reports whether a question compares periods. */
export const isCompared = ({ compare, compareTo }: Pick<Question, "compare" | "compareTo">): boolean => compare !== null || compareTo !== null;

/** Parses the question of an address. */
export function questionOf(params: URLSearchParams): Question {
  const { where, span } = viewOf(params);
  const measures = (params.get("measures") ?? "").split(",").flatMap((name) => found(name, MEASURES) ?? []);
  const named = found(params.get("chart"), CHARTS);
  const chart = named ?? (params.get("over") === "none" ? "bars" : "line");
  const over = chart === "bars" || params.get("over") === "none" ? null : (found(params.get("over"), STEPS) ?? (chart === "line" ? span.step : null));
  const first = Number(params.get("first"));
  return {
    measures: measures.length > 0 ? [...new Set(measures)].slice(0, MOST_MEASURES) : ["EVENTS"],
    where,
    by: params.getAll("by").filter(Boolean).slice(0, 2).map(splitOf),
    over,
    compare: found(params.get("compare"), ["PREVIOUS", "LAST_YEAR"] as const) ?? null,
    compareTo: periodOf(params.get("compare")),
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
  if (changes.where) writeWhere(params, changes.where);
  if (changes.by) list("by", changes.by.map(splitText));
  if (changes.segments) list("segment", changes.segments.map(({ name, where }) => [escape(name), ...where.map(conditionText)].join(";")));
  if (changes.compareTo) list("compare", [periodText(changes.compareTo)]);
  else if ("compare" in changes) list("compare", changes.compare ? [changes.compare.toLowerCase()] : []);
  if ("over" in changes) list("over", changes.over === undefined ? [] : [changes.over?.toLowerCase() ?? "none"]);
  if (changes.chart) list("chart", [changes.chart]);
  if ("first" in changes) list("first", changes.first ? [String(changes.first)] : []);
  else if (changes.chart || changes.by) params.delete("first");
}

/** The question of the current address, with a function that changes it. */
export function useQuestion(): { question: Question; change: (changes: QuestionChanges) => void } {
  const [params, setParams] = useParams();
  const question = useMemo(() => questionOf(params), [params]);
  return { question, change: (changes) => setParams((next) => writeQuestion(next, changes)) };
}

/** A question as the server takes it. */
export function inputOf({ measures, where, by, over, compare, compareTo, segments, first }: Question, { span: { period }, people }: Pick<View, "span" | "people">): QuestionInput {
  return { measures, where, by, over, compare, compareTo, segments, first, period, audience: people ? "PEOPLE" : "EVERYTHING" };
}

/** A question without a chart, and with a period and an audience of its own, such as a saved one. */
export type PlainQuestion = Omit<Question, "chart"> & Pick<QuestionInput, "period" | "audience">;

/** Parameters of the address that show a question. */
export function paramsOf({ period, audience, ...question }: PlainQuestion): URLSearchParams {
  const params = new URLSearchParams();
  const { range, from, to } = periodParams(period ?? {});
  const who = audience === "PEOPLE" ? "people" : "";
  for (const [name, value] of Object.entries({ range: range === "30d" ? "" : range, from, to, who })) if (value) params.set(name, value);
  const isWhole = question.over === null;
  writeQuestion(params, { ...question, first: undefined, compare: question.compare ?? null, chart: isWhole ? "bars" : "line" });
  params.delete("first");
  if (questionOf(params).first !== question.first) params.set("first", String(question.first));
  return params;
}
