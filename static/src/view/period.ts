import type { PeriodInput, Step } from "../generated/operations.ts";

export const RANGES = ["today", "7d", "30d", "90d", "12m", "custom"] as const;
export type Range = (typeof RANGES)[number];
export const RANGE_NAMES: Record<Range, string> = {
  today: "Today",
  "7d": "7 days",
  "30d": "30 days",
  "90d": "90 days",
  "12m": "12 months",
  custom: "Custom",
};
/** Short names for narrow screens. */
export const RANGE_SHORT: Record<Range, string> = { today: "Today", "7d": "7d", "30d": "30d", "90d": "90d", "12m": "12m", custom: "Custom" };

const DAY = 86_400_000; // ms
const DAYS: Record<Exclude<Range, "custom">, number> = { today: 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365 };

/** A period of UTC days, the previous period of the same length, and the step of its charts. */
export interface Span {
  period: PeriodInput;
  before: PeriodInput;
  step: Step;
  days: number;
}

/** Parses a day such as `2026-11-30` to its start in UTC (epoch ms); null if it is not a valid day. */
export function dayOf(text: string): number | null {
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** Formats epoch ms as a day such as `2026-11-30`. */
export const dayText = (at: number): string => new Date(at).toISOString().slice(0, 10);

function stepOf(days: number): Step {
  if (days <= 2) return "HOUR";
  if (days <= 92) return "DAY";
  return days <= 750 ? "WEEK" : "MONTH";
}

/** Returns the span of a range; `from` and `to` are the first and last day of a custom range. */
export function spanOf(range: Range, from: string, to: string, now: number = Date.now()): Span {
  const today = Math.floor(now / DAY) * DAY;
  if (range === "custom") {
    const last = dayOf(to) ?? today;
    const first = Math.min(dayOf(from) ?? last - 29 * DAY, last);
    const days = Math.round((last - first) / DAY) + 1;
    return {
      period: { from: iso(first), to: iso(last + DAY) },
      before: { from: iso(first - days * DAY), to: iso(first) },
      step: stepOf(days),
      days,
    };
  }
  const days = DAYS[range];
  const first = today - (days - 1) * DAY;
  return { period: { last: days }, before: { from: iso(first - days * DAY), to: iso(first) }, step: stepOf(days), days };
}

/** Returns whether events cover most of the previous period, so that a comparison is meaningful. `firstEventAt` is the time of the first event in epoch ms. */
export function isComparable({ before, days }: Span, firstEventAt: number | null): boolean {
  return firstEventAt !== null && typeof before.from === "string" && firstEventAt < Date.parse(before.from) + Math.max(1, days / 4) * DAY;
}

const iso = (at: number): string => new Date(at).toISOString();
