import type { PeriodInput, Step } from "../generated/operations.ts";

/** The periods that the toolbar offers. */
export const RANGES = ["today", "7d", "30d", "90d", "12m", "custom"] as const;
/** A period: of the toolbar, of any number of days, or the current week or month. */
export type Range = (typeof RANGES)[number] | "week" | "month" | `${number}d`;

const NAMES: Partial<Record<Range, string>> = { today: "Today", "12m": "12 months", custom: "Custom", week: "Week to date", month: "Month to date" };
const SHORT_NAMES: Partial<Record<Range, string>> = { today: "Today", custom: "Custom", week: "Week", month: "Month" };

export const rangeName = (range: Range): string => NAMES[range] ?? `${Number.parseInt(range)} days`;
/** Short name for narrow screens. */
export const shortRangeName = (range: Range): string => SHORT_NAMES[range] ?? range;

const [HOUR, DAY] = [3_600_000, 86_400_000]; // ms
const MOST_DAYS = 1830; // the server's maximum
const DAYS: Partial<Record<Range, number>> = { today: 1, "12m": 365 };

/** Parses a range; null if the text is none. */
export function rangeOf(text: string | null): Range | null {
  if (RANGES.includes(text as (typeof RANGES)[number]) || text === "week" || text === "month") return text as Range;
  return text !== null && /^[1-9]\d{0,3}d$/.test(text) && Number.parseInt(text) <= MOST_DAYS ? (text as Range) : null;
}

/** The range of the last days, up to today. */
export const lastDays = (days: number): Range => (Object.keys(DAYS) as Range[]).find((range) => DAYS[range] === days) ?? `${days}d`;

/** A period, the previous period of the same length, and the step of its charts. */
export interface Span {
  period: PeriodInput;
  before: PeriodInput;
  step: Step;
  days: number;
}

/** Start of a period (epoch ms). */
export const startOf = ({ period, days }: Span): number => (period.to == null ? Math.ceil(Date.now() / DAY) * DAY : Date.parse(period.to)) - days * DAY;

/** Start and end of a period (epoch ms). */
export interface Bounds {
  start: number;
  end: number;
}

/** Returns the bounds of a period, widened to full hours as the server does. */
export function boundsOf(span: Span): Bounds {
  const { from, to } = span.period;
  const start = from == null ? startOf(span) : Math.floor(Date.parse(from) / HOUR) * HOUR;
  return { start, end: to == null ? startOf(span) + span.days * DAY : Math.ceil(Date.parse(to) / HOUR) * HOUR };
}

/** Parses a day such as `2026-11-30` to its start in UTC (epoch ms); null if it is not a valid day. */
export function dayOf(text: string): number | null {
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** Parses a moment such as `2026-11-30T12:00Z` (epoch ms); null if it is not a valid one. */
function momentOf(text: string): number | null {
  const at = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** Formats epoch ms as a day such as `2026-11-30`. */
export const dayText = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** Parameters of the address for a period: whole days where its ends are midnight, otherwise moments. */
export function periodParams({ last, toDate, from, to }: PeriodInput): { range: Range; from: string; to: string } {
  const end = to == null ? null : Date.parse(to);
  if (from == null && end === null) return { range: toDate ? (toDate === "WEEK" ? "week" : "month") : lastDays(last ?? 30), from: "", to: "" };
  const start = from == null ? null : Date.parse(from);
  const isWhole = (at: number | null) => at === null || at % DAY === 0;
  return {
    range: "custom",
    from: start === null ? "" : isWhole(start) ? dayText(start) : iso(start),
    to: end === null ? "" : isWhole(end) ? dayText(end - DAY) : iso(end),
  };
}

function stepOf(days: number): Step {
  if (days <= 2) return "HOUR";
  if (days <= 92) return "DAY";
  return days <= 750 ? "WEEK" : "MONTH";
}

/** Returns the span of a range; `from` and `to` are the ends of a custom range: its first and last day, or two moments. */
export function spanOf(range: Range, from: string, to: string, now: number = Date.now()): Span {
  const today = Math.floor(now / DAY) * DAY;
  if (range === "custom") {
    const end = momentOf(to) ?? (dayOf(to) ?? today) + DAY;
    const first = Math.min(momentOf(from) ?? dayOf(from) ?? end - 30 * DAY, end - (momentOf(to) === null ? DAY : 1));
    const days = Math.ceil((end - first) / DAY);
    return {
      period: { from: iso(first), to: iso(end) },
      before: { from: iso(first - (end - first)), to: iso(first) },
      step: stepOf(days),
      days,
    };
  }
  if (range === "week" || range === "month") {
    const date = new Date(today);
    const first = range === "week" ? today - ((date.getUTCDay() + 6) % 7) * DAY : Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
    const earlier = range === "week" ? first - 7 * DAY : Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 1, 1);
    const days = (today - first) / DAY + 1;
    const before = { from: iso(earlier), to: iso(Math.min(earlier + days * DAY, first)) };
    return { period: { toDate: range === "week" ? "WEEK" : "MONTH" }, before, step: stepOf(days), days };
  }
  const days = DAYS[range] ?? Number.parseInt(range);
  const first = today - (days - 1) * DAY;
  return { period: { last: days }, before: { from: iso(first - days * DAY), to: iso(first) }, step: stepOf(days), days };
}

/** Returns whether events cover most of the previous period, so that a comparison is meaningful. `firstEventAt` is the time of the first event in epoch ms. */
export function isComparable({ before, days }: Span, firstEventAt: number | null): boolean {
  return firstEventAt !== null && typeof before.from === "string" && firstEventAt < Date.parse(before.from) + Math.max(1, days / 4) * DAY;
}

const iso = (at: number): string => new Date(at).toISOString();
