import type { Data } from "../api/client.ts";
import { COUNTS, DURATIONS, type Measure, SHARES, number, tight } from "../view/format.ts";
import type { Condition, Op, Split } from "../view/conditions.ts";
import type { MeasureName, Question, StepName } from "../view/question.ts";

export type Answer = Data<"Ask">["project"]["ask"];
export type Row = Answer["rows"][number];
export type Field = Data<"Fields">["project"]["fields"][number];

const RATE: Measure = { full: SHARES.full, axis: SHARES.axis, steps: [0.001, 0.002, 0.005, ...SHARES.steps] };
const RATIOS: Measure = { full: number, axis: tight, steps: [0.1, 0.2, 0.5, ...COUNTS.steps] };

interface MeasureFacts {
  label: string;
  /** Formats of its values. */
  measure: Measure;
  /** The values of all groups add up to that of the whole. */
  additive?: boolean;
  /** Lower is better. */
  less?: boolean;
}

export const MEASURE_FACTS: Record<MeasureName, MeasureFacts> = {
  EVENTS: { label: "Events", measure: COUNTS, additive: true },
  SUCCESSES: { label: "Successes", measure: COUNTS, additive: true },
  FAILURES: { label: "Failures", measure: COUNTS, additive: true, less: true },
  FAILURE_RATE: { label: "Failure rate", measure: RATE, less: true },
  INSTALLS: { label: "Installs", measure: COUNTS },
  NEW_INSTALLS: { label: "New installs", measure: COUNTS },
  P50: { label: "Median duration", measure: DURATIONS, less: true },
  P75: { label: "p75 of durations", measure: DURATIONS, less: true },
  P90: { label: "p90 of durations", measure: DURATIONS, less: true },
  P95: { label: "p95 of durations", measure: DURATIONS, less: true },
  P99: { label: "p99 of durations", measure: DURATIONS, less: true },
  MEAN: { label: "Mean duration", measure: DURATIONS, less: true },
  PER_INSTALL_P50: { label: "Events per install, median", measure: RATIOS },
  PER_INSTALL_P90: { label: "Events per install, p90", measure: RATIOS },
  PER_INSTALL_MEAN: { label: "Events per install, mean", measure: RATIOS },
};

export const OP_NAMES: Record<Op, string> = {
  IS: "is any of",
  IS_NOT: "is none of",
  EXISTS: "has a value",
  MISSING: "has no value",
  PREFIX: "begins with",
  CONTAINS: "contains",
  SEMVER: "in version range",
  ABOVE: "above",
  BELOW: "below",
};

export const STEP_NAMES: Record<StepName, string> = { HOUR: "Hour", DAY: "Day", WEEK: "Week", MONTH: "Month" };

export const labelOf = (fields: Field[], name: string): string => fields.find((field) => field.name === name)?.label ?? name.replace(/^properties\./, "");

/** Text of a condition: Operating system is linux or macos. */
export function conditionLabel(fields: Field[], { field, op, values }: Condition): { field: string; op: string; values: string } {
  const single = values.length === 1 && (op === "IS" || op === "IS_NOT");
  const shown = single ? (op === "IS" ? "is" : "is not") : op === "SEMVER" ? "in" : OP_NAMES[op];
  return { field: labelOf(fields, field), op: shown, values: values.slice(0, 4).join(", ") + (values.length > 4 ? ` and ${values.length - 4} more` : "") };
}

/** Label of a split's field: Version, minor. */
export const splitLabel = (fields: Field[], { field, version }: Split): string => labelOf(fields, field) + (version ? `, ${version.toLowerCase()}` : "");

/** Label of a group. */
export function groupLabel({ keys, isOther }: Pick<Row, "keys" | "isOther">): string {
  return isOther ? "(other)" : keys.map((key) => key ?? "(none)").join(" · ");
}

/** A question as a sentence: Events where Operating system is linux by Version, minor over days. */
export function questionText(fields: Field[], { measures, where, by, over, segments, compare, compareTo }: Question): string {
  const conditions = where.map((condition) => Object.values(conditionLabel(fields, condition)).filter(Boolean).join(" "));
  return [
    measures.map((name) => MEASURE_FACTS[name].label).join(", "),
    conditions.length > 0 && `where ${conditions.join(" and ")}`,
    by.length > 0 && `by ${by.map((split) => splitLabel(fields, split)).join(" and ")}`,
    segments.length > 0 && `for ${segments.map(({ name }) => name).join(", ")}`,
    over && `each ${STEP_NAMES[over].toLowerCase()}`,
    compareTo ? "compared with another period" : compare && (compare === "PREVIOUS" ? "compared with the previous period" : "compared with last year"),
  ]
    .filter(Boolean)
    .join(" ");
}
