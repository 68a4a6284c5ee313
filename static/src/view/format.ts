// Numbers, times and durations in the reader's own locale. Days and hours are UTC's, as the server counts them.

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const part = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const change = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });
const digits = (most: number) => new Intl.NumberFormat(undefined, { maximumSignificantDigits: most });
const three = digits(3);

export const NOTHING = "–";

type Maybe = number | null | undefined;

export const count = (value: Maybe): string => (value == null ? NOTHING : whole.format(value));
/** A figure that is read at a glance: whole as long as it is short. */
export const compact = (value: Maybe): string => (value == null ? NOTHING : (Math.abs(value) < 100_000 ? whole : short).format(value));
/** The same where there is little room. */
export const tight = (value: Maybe): string => (value == null ? NOTHING : short.format(value));
export const percent = (value: Maybe): string => (value == null ? NOTHING : part.format(value));
/** How much something grew, with its sign: 0.5 is +50 %; what grew tenfold or more is said in times. */
export const growth = (value: Maybe): string => (value == null ? NOTHING : value >= 9 ? `×${tight(Math.round(value + 1))}` : change.format(value));

const UNITS: [number, Intl.NumberFormatOptions["unit"]][] = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1_000, "second"],
];

/** A duration in ms, to three digits: 812 ms, 3.05 s, 1.2 min. */
export function duration(ms: Maybe): string {
  if (ms == null) return NOTHING;
  const [size, unit] = UNITS.find(([size]) => ms >= size) ?? [1, "millisecond"];
  const value = ms / size;
  return new Intl.NumberFormat(undefined, {
    style: "unit",
    unit: unit as string,
    unitDisplay: "short",
    ...(value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 }),
  }).format(value);
}

const SIZES = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** A size in bytes, in units of a thousand. */
export function bytes(size: number): string {
  const step = Math.min(SIZES.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, size)) / 3)));
  const unit = SIZES[step] as string;
  return new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "short", maximumSignificantDigits: 3 }).format(size / 1000 ** step);
}

const utc = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(undefined, { timeZone: "UTC", ...options });
const dayFormat = utc({ day: "numeric", month: "short" });
const longDay = utc({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const monthFormat = utc({ month: "short", year: "numeric" });
const hourFormat = utc({ hour: "2-digit", minute: "2-digit" });
const dayHour = utc({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

type Time = string | number | Date;
const date = (at: Time): Date => new Date(at);

export const day = (at: Time): string => dayFormat.format(date(at));
/** A step of a chart, as it is told apart from its neighbours. */
export function stepText(at: Time, step: string): string {
  if (step === "HOUR") return dayHour.format(date(at));
  if (step === "MONTH") return monthFormat.format(date(at));
  return step === "WEEK" ? `Week of ${dayFormat.format(date(at))}` : longDay.format(date(at));
}
/** The same on an axis, where there is little room. */
export const tick = (at: Time, step: string): string =>
  (step === "HOUR" ? hourFormat : step === "MONTH" ? monthFormat : dayFormat).format(date(at));
/** A moment, in the reader's own time zone. */
export const moment = (at: Time | null | undefined): string => (at == null ? NOTHING : local.format(date(at)));
export const time = (at: Time): string => clock.format(date(at));

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** How long ago, in words. */
export function ago(at: Time | null | undefined, now: number = Date.now()): string {
  if (at == null) return NOTHING;
  const ms = date(at).getTime() - now;
  const [size, unit] = UNITS.find(([size]) => Math.abs(ms) >= size) ?? [1_000, "second"];
  return relative.format(Math.round(ms / size), unit as Intl.RelativeTimeFormatUnit);
}

/** A word of the schema as people write it: PACKAGE_MANAGER is Package manager. */
export function words(name: string): string {
  const text = name.toLowerCase().replaceAll("_", " ");
  return text === "ci" ? "CI" : text.charAt(0).toUpperCase() + text.slice(1);
}

/** A number to three digits. */
export const number = (value: Maybe): string => (value == null ? NOTHING : three.format(value));
