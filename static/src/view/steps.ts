import { createContext } from "preact";
import { day, stepText } from "./format.ts";
import type { Bounds } from "./period.ts";

/** Time of the project's first event in epoch ms; null if unknown. */
export const FirstEventContext = createContext<number | null>(null);

const DAY = 86_400_000; // ms
const LENGTHS: Record<string, number> = { HOUR: DAY / 24, DAY, WEEK: 7 * DAY };

const endOf = (starts: string[], place: number, step: string): number => {
  if (starts[place + 1] !== undefined) return Date.parse(starts[place + 1] ?? "");
  const start = new Date(starts[place] ?? "");
  return step === "MONTH" ? Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1) : start.getTime() + (LENGTHS[step] ?? 0);
};

/** Incomplete steps by index, with what their figures cover. */
export type Incomplete = ReadonlyMap<number, string>;

/** Finds the incomplete steps: the current one, and those that begin before or end after the period. Without `bounds`, the period cuts no step. */
export function incompleteSteps(starts: string[], step: string, bounds: Bounds | null, now: number = Date.now()): Incomplete {
  const last = starts.length - 1;
  const cuts = (at: number, place: number) => Date.parse(starts[place] ?? "") < at && at < endOf(starts, place, step);
  const found = new Map<number, string>();
  if (bounds && cuts(bounds.start, 0)) found.set(0, `counts only from ${timeText(bounds.start)}`);
  const isEndCut = bounds !== null && bounds.end <= now && cuts(bounds.end, last);
  const place = isEndCut ? last : starts.findIndex((start, each) => Date.parse(start) <= now && endOf(starts, each, step) > now);
  const until = isEndCut ? `counts only ${bounds.end % DAY ? `until ${timeText(bounds.end)}` : `through ${day(bounds.end - 1)}`}` : "so far";
  if (place >= 0) found.set(place, [found.get(place), until].filter(Boolean).join(", "));
  return found;
}

const timeText = (at: number): string => (at % DAY ? stepText(at, "HOUR") : day(at));

/** Replaces zeros of future steps, and of steps before the first event, with null, which charts do not draw. */
export function drawableValues(values: (number | null)[], starts: string[], step: string, firstEventAt: number | null, now: number = Date.now()): (number | null)[] {
  if (values.length !== starts.length) return values;
  return values.map((value, place) => {
    const impossible = Date.parse(starts[place] ?? "") > now || (firstEventAt !== null && endOf(starts, place, step) <= firstEventAt);
    return impossible && !value ? null : value;
  });
}
