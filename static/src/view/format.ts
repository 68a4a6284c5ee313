// Formats for numbers, times and durations. The page is in English, so the locale is the reader's variant of English if there is one. All times
// are UTC, like the server's days and hours.

const LOCALE = navigator.languages.find((language) => /^en\b/i.test(language)) ?? "en-GB";
export const ZONE = "UTC";

const whole = new Intl.NumberFormat(LOCALE);
const short = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const part = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 1 });
const wholePart = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 0 });
const change = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });
const signed = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
const signedWhole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0, signDisplay: "exceptZero" });
const digits = (most: number) => new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: most });
const three = digits(3);

export const NOTHING = "–";

type Maybe = number | null | undefined;

export const count = (value: Maybe): string => (value == null ? NOTHING : whole.format(value));
/** Formats a headline figure: all digits below 100,000, compact from there. */
export const compact = (value: Maybe): string => (value == null ? NOTHING : (Math.abs(value) < 100_000 ? whole : short).format(value));
/** Formats a figure in compact notation. */
export const tight = (value: Maybe): string => (value == null ? NOTHING : short.format(value));
export const percent = (value: Maybe): string => (value == null ? NOTHING : part.format(value));
/** Formats a share: with a decimal only below 10%. */
export const portion = (value: Maybe): string => (value == null ? NOTHING : (value > 0 && value < 0.0995 ? part : wholePart).format(value));
/** Formats relative growth with its sign: 0.5 is +50%; tenfold growth or more becomes a factor. */
export const growth = (value: Maybe): string => (value == null ? NOTHING : value >= 9 ? `×${tight(Math.round(value + 1))}` : change.format(value));
/** Formats the change of a share in percentage points: 0.9 to 0.95 is +5 pts. */
export function points({ value, before }: { value?: Maybe; before?: Maybe }): string {
  return value == null || before == null ? NOTHING : `${(Math.abs(value - before) < 0.01 ? signed : signedWhole).format((value - before) * 100)} pts`;
}

/** Marks a figure with a margin as an estimate. */
export const estimateOf = (margin: string | undefined): string | undefined => margin && `estimated, ${margin}`;

/** Bounds of an estimate from sampled events; null or missing if the value is exact. */
export interface Bounds {
  value?: Maybe;
  low?: Maybe;
  high?: Maybe;
}

/** Formats the margin of an estimate: ±19%, ±7 pts for a share, or the upper bound of a 0. Undefined if the value is exact. */
export function margin({ value, low, high }: Bounds, share = false): string | undefined {
  if (value == null || low == null || high == null) return undefined;
  const half = Math.max(high - value, value - low); // an interval may be cut at 0 or 1
  if (share) return `±${three.format(Number((half * 100).toFixed(1)))} pts`;
  return value ? `±${portion(half / value)}` : `at most ${whole.format(high)}`;
}

const UNITS: [number, Intl.NumberFormatOptions["unit"]][] = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1_000, "second"],
];

/** Formats a duration in ms to three digits: 812ms, 3.05s, 1.2m. Approximate durations (within 2%) have two: 810ms, 3.1s. */
export function duration(ms: Maybe, exact = true): string {
  if (ms == null) return NOTHING;
  const [size, unit] = UNITS.find(([size]) => ms >= size) ?? [1, "millisecond"];
  const value = ms / size;
  return new Intl.NumberFormat(LOCALE, {
    style: "unit",
    unit: unit as string,
    unitDisplay: "narrow",
    ...(!exact ? { maximumSignificantDigits: 2 } : value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 }),
  }).format(value);
}

const SIZES = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** Formats a size in bytes with decimal units. */
export function bytes(size: number): string {
  const step = Math.min(SIZES.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, size)) / 3)));
  const unit = SIZES[step] as string;
  return new Intl.NumberFormat(LOCALE, { style: "unit", unit, unitDisplay: "short", maximumSignificantDigits: 3 }).format(size / 1000 ** step);
}

const utc = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(LOCALE, { timeZone: ZONE, ...options });
const dayFormat = utc({ day: "numeric", month: "short" });
const longDay = utc({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const monthFormat = utc({ month: "short", year: "numeric" });
const hourFormat = utc({ hour: "numeric" });
const dayHour = utc({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const minute = utc({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
const clock = utc({ timeStyle: "medium" });

type Time = string | number | Date;
const date = (at: Time): Date => new Date(at);

export const day = (at: Time): string => dayFormat.format(date(at));
/** Formats the time of a chart's step in full. */
export function stepText(at: Time, step: string): string {
  if (step === "HOUR") return dayHour.format(date(at));
  if (step === "MONTH") return monthFormat.format(date(at));
  return step === "WEEK" ? `Week of ${dayFormat.format(date(at))}` : longDay.format(date(at));
}
/** Formats the time of a step for an axis. By the hour, midnight shows the day. */
export function tick(at: Time, step: string): string {
  const hourly = step === "HOUR" && date(at).getUTCHours() !== 0;
  return (hourly ? hourFormat : step === "MONTH" ? monthFormat : dayFormat).format(date(at));
}
/** Formats a date and time to the minute, with the time zone. */
export const moment = (at: Time | null | undefined): string => (at == null ? NOTHING : minute.format(date(at)));
/** Formats a time of day to the second, for a column whose heading names the time zone. */
export const time = (at: Time): string => clock.format(date(at));

const relative = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto", style: "narrow" });

/** Formats a relative time: 15h ago. */
export function ago(at: Time | null | undefined, now: number = Date.now()): string {
  if (at == null) return NOTHING;
  const ms = date(at).getTime() - now;
  const [size, unit] = UNITS.find(([size]) => Math.abs(ms) >= size) ?? [1_000, "second"];
  return relative.format(Math.round(ms / size), unit as Intl.RelativeTimeFormatUnit);
}

/** Formats an enum value as a label: PACKAGE_MANAGER becomes Package manager. */
export function toLabel(name: string): string {
  const text = name.toLowerCase().replaceAll("_", " ");
  return text === "ci" ? "CI" : text.charAt(0).toUpperCase() + text.slice(1);
}

/** Replaces underscores with spaces: same_id becomes same id. */
export const spaced = (name: string): string => name.replaceAll("_", " ");

/** Formats a count with its noun: 1 event, 2 events. */
export const plural = (value: number, one: string, more = `${one}s`): string => `${count(value)} ${value === 1 ? one : more}`;

/** Formats a number to three significant digits. */
export const number = (value: Maybe): string => (value == null ? NOTHING : three.format(value));

/** Format of a chart's values in the tooltip and on the axis, with the allowed axis increments. */
export interface Measure {
  full(value: Maybe): string;
  axis(value: number): string;
  steps: number[];
  /** A share, whose axis starts near the minimum instead of at zero. */
  share?: boolean;
}

const powers = (from: number, to: number, of: number[]): number[] =>
  Array.from({ length: to - from + 1 }, (_, place) => of.map((each) => each * 10 ** (from + place))).flat();

export const COUNTS: Measure = { full: count, axis: tight, steps: powers(0, 14, [1, 2, 5]) };
export const SHARES: Measure = { full: percent, axis: percent, steps: [0.01, 0.02, 0.05, 0.1, 0.2, 0.25], share: true };
export const DURATIONS: Measure = {
  full: duration,
  axis: (value) => (value === 0 ? whole.format(0) : duration(value)),
  steps: [...powers(-2, 3, [1, 2, 5]), 15_000, 30_000, 60_000, 120_000, 300_000, 900_000, 1_800_000, ...powers(0, 4, [1, 2, 5]).map((each) => each * 3_600_000)],
};
/** Approximate durations, within 2%. */
export const ABOUT_DURATIONS: Measure = { ...DURATIONS, full: (value) => duration(value, false) };
