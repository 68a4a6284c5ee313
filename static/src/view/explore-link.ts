import { useLocation } from "wouter-preact";
import { useAccount } from "./account.ts";
import { pathWith, useParams } from "./address.ts";
import { type Condition, isSame, isValue, splitBy } from "./conditions.ts";
import { type QuestionChanges, writeQuestion } from "./question.ts";
import type { Range } from "./period.ts";
import type { Report } from "./reports.ts";
import { viewOf } from "./state.ts";

const KEPT = ["range", "from", "to", "who"];

/** Returns a function that builds the address of a card's question, with the page's period and filters. It returns undefined without read access. */
export function useExploreLink(project: string): (question: QuestionChanges) => string | undefined {
  const { reads } = useAccount();
  const [old] = useParams();
  return (question) => {
    if (!reads) return undefined;
    const params = new URLSearchParams();
    for (const name of KEPT) if (old.get(name)) params.set(name, old.get(name) as string);
    const kept = viewOf(old).where;
    const own = (question.where ?? []).filter((condition) => !kept.some((other) => isSame(other, condition)));
    writeQuestion(params, { ...question, where: [...kept, ...own] });
    return pathWith(`/d/${project}/explore`, params);
  };
}

/** The split and the condition of a card that lists targets: two types can have a target of the same name, and events without one are left out. */
export const BY_TARGET = { by: [splitBy("target_type"), splitBy("target")], where: [{ field: "target", op: "EXISTS", values: [] } satisfies Condition] };

const FAILED = isValue("outcome", "failure");

/** The question of a card that lists error types. It counts `events`: `failures`, and other events with an error type, which are a segment of their own. */
export function errorQuestion(events: number, failures: number): QuestionChanges {
  const segments = [
    { name: "Failures", where: [FAILED] },
    { name: "Other events with an error type", where: [{ ...FAILED, op: "IS_NOT" as const }, { field: "error_type", op: "EXISTS" as const, values: [] }] },
  ];
  return { measures: ["EVENTS", "INSTALLS"], by: [splitBy("error_type")], chart: "bars", ...(events > failures ? { segments } : { where: [FAILED] }) };
}

/** The conditions that select one error type; null selects failures without a type. */
export const isError = (type: string | null): Condition[] => [isValue("error_type", type), ...(type === null ? [FAILED] : [])];

/** Number of groups that show all rows of a card; undefined if the default does. */
export const rowsFor = (shown: number): number | undefined => (shown > 50 ? 200 : shown > 10 ? 50 : undefined);

/** The address of a report on the Explore page, with all that the current address says; undefined there, and without read access. `range` replaces its period. */
export function useReportLink(project: string, report: Report, range?: Range): string | undefined {
  const { reads } = useAccount();
  const [path] = useLocation();
  const [params] = useParams();
  if (!reads || path.endsWith("/explore")) return undefined;
  const next = new URLSearchParams(params);
  next.set("report", report);
  if (range) next.set("range", range);
  return pathWith(`/d/${project}/explore`, next);
}
