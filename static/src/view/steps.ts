import { createContext } from "preact";

/** Time of the project's first event in epoch ms; null if unknown. */
export const FirstEventContext = createContext<number | null>(null);

const LENGTHS: Record<string, number> = { HOUR: 3_600_000, DAY: 86_400_000, WEEK: 7 * 86_400_000, MONTH: 28 * 86_400_000 }; // ms, minimum

const endOf = (starts: string[], place: number, step: string): number => {
  const next = starts[place + 1];
  return next === undefined ? Date.parse(starts[place] ?? "") + (LENGTHS[step] ?? 0) : Date.parse(next);
};

/** Index of the current, incomplete step; -1 if there is none. */
export function openStep(starts: string[], step: string, now: number = Date.now()): number {
  return starts.findIndex((start, place) => Date.parse(start) <= now && endOf(starts, place, step) > now);
}

/** Replaces zeros of future steps, and of steps before the first event, with null, which charts do not draw. */
export function drawableValues(values: (number | null)[], starts: string[], step: string, firstEventAt: number | null, now: number = Date.now()): (number | null)[] {
  if (values.length !== starts.length) return values;
  return values.map((value, place) => {
    const impossible = Date.parse(starts[place] ?? "") > now || (firstEventAt !== null && endOf(starts, place, step) <= firstEventAt);
    return impossible && !value ? null : value;
  });
}
