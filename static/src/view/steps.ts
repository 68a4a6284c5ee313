import { createContext } from "preact";

/** When the events of the shown project begin, in epoch ms; null where that is unknown. */
export const BeginningContext = createContext<number | null>(null);

const LENGTHS: Record<string, number> = { HOUR: 3_600_000, DAY: 86_400_000, WEEK: 7 * 86_400_000, MONTH: 28 * 86_400_000 }; // ms, at least

const endOf = (starts: string[], place: number, step: string): number => {
  const next = starts[place + 1];
  return next === undefined ? Date.parse(starts[place] ?? "") + (LENGTHS[step] ?? 0) : Date.parse(next);
};

/** The place of the step that has begun and not ended; -1 where all have, or none has. */
export function openStep(starts: string[], step: string, now: number = Date.now()): number {
  return starts.findIndex((start, place) => Date.parse(start) <= now && endOf(starts, place, step) > now);
}

/** Values without the zeros of steps that have not begun, or that ended before the first event: null, which is not drawn. */
export function drawable(values: (number | null)[], starts: string[], step: string, began: number | null, now: number = Date.now()): (number | null)[] {
  if (values.length !== starts.length) return values;
  return values.map((value, place) => {
    const impossible = Date.parse(starts[place] ?? "") > now || (began !== null && endOf(starts, place, step) <= began);
    return impossible && !value ? null : value;
  });
}
