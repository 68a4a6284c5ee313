// Metrics of the overview: label, source in the response, and formatting.
import type { Data } from "../api/client.ts";
import { COUNTS, DURATIONS, type Measure, SHARES, compact, duration, percent } from "../view/format.ts";
import type { MeasureName } from "../view/question.ts";

export type Page = Data<"OverviewPage">["project"];
type Overview = Page["overview"];
type Values = (number | null)[];
type Maybe = number | null | undefined;

export interface Metric {
  label: string;
  /** Label when only people are counted. */
  labelPeople?: string;
  measure: Measure;
  /** Formats the value for a figure card. */
  short(value: Maybe, exact?: boolean): string;
  change(overview: Overview, people: boolean): { value?: number | null; before?: number | null; change?: number | null; exact?: boolean; low?: number | null; high?: number | null };
  /** Time series for the current or the previous period; null when the response has none. */
  values(page: Page, people: boolean, before: boolean): Values | null;
  /** Additional data of the previous period to request. */
  needs?: "new" | "times";
  /** Lower is better. */
  less?: boolean;
  /** The value varies around a level, so its sparkline does not start at zero. */
  close?: boolean;
  /** Its measures on the Explore page; absent if questions cannot express it. */
  explore?: MeasureName[];
  /** Available by the hour. */
  hourly?: boolean;
}

export const METRICS = {
  active: {
    label: "Active installs",
    explore: ["INSTALLS"],
    labelPeople: "Active people",
    measure: COUNTS,
    short: compact,
    change: ({ active }, people) => (people ? active.people : active.all),
    values: ({ series, before }, people, earlier) => {
      const of = earlier ? before : series;
      return (people ? of.activePeople : of.activeAll) ?? null;
    },
  },
  new: {
    label: "New installs",
    explore: ["NEW_INSTALLS"],
    labelPeople: "New people",
    measure: COUNTS,
    short: compact,
    change: ({ new: fresh }, people) => (people ? fresh.people : fresh.all),
    values: (page, people, earlier) => newInstallsOf(page, people, earlier),
    needs: "new",
  },
  events: {
    label: "Events",
    explore: ["EVENTS"],
    measure: COUNTS,
    short: compact,
    change: ({ events }) => events,
    values: ({ series, before }, _, earlier) => (earlier ? before : series).events,
    hourly: true,
  },
  success: {
    label: "Success rate",
    explore: ["FAILURE_RATE", "SUCCESSES", "FAILURES"],
    measure: SHARES,
    short: percent,
    change: ({ successRate }) => successRate,
    values: ({ series, before }, _, earlier) => {
      const { successes, failures } = earlier ? before : series;
      return successes.map((value, place) => {
        const ended = value + (failures[place] ?? 0);
        return ended ? value / ended : null;
      });
    },
    close: true,
    hourly: true,
  },
  duration: {
    label: "Median duration",
    explore: ["P50"],
    measure: DURATIONS,
    short: duration,
    change: ({ medianDuration }) => medianDuration,
    values: ({ medians, mediansBefore }, _, earlier) => (earlier ? (mediansBefore?.medians ?? null) : medians.medians),
    needs: "times",
    less: true,
    close: true,
  },
  installs: {
    label: "Known installs",
    labelPeople: "Known people",
    measure: COUNTS,
    short: compact,
    change: ({ installs }, people) => (people ? installs.people : installs.all),
    values: (page, people, earlier) => {
      const { value, before } = people ? page.overview.installs.people : page.overview.installs.all;
      const of = earlier ? page.arrivalsBefore : page.arrivals;
      const fresh = (people ? of?.newPeople : of?.newAll) ?? null;
      return fresh && cumulativeInstalls((earlier ? before : value) ?? 0, fresh);
    },
    close: true,
  },
} satisfies Record<string, Metric> as Record<"active" | "new" | "events" | "success" | "duration" | "installs", Metric>;

export type MetricName = keyof typeof METRICS;

/** The metric named in the address. By the hour only events and outcomes are available. */
export function metricOf(requested: string | null, step: string): MetricName {
  const name = requested !== null && requested in METRICS ? (requested as MetricName) : "active";
  return step === "HOUR" && !METRICS[name].hourly ? "events" : name;
}

function newInstallsOf({ newAndReturning, newBefore }: Page, people: boolean, earlier: boolean): Values | null {
  const of = earlier ? newBefore : newAndReturning;
  return (people ? of?.newPeople : of?.newAll) ?? null;
}

/** Known installs at the end of each step, computed backward from the final total and the new installs per step. */
function cumulativeInstalls(last: number, fresh: Values): number[] {
  let known = last;
  return fresh
    .toReversed()
    .map((value) => {
      known -= value ?? 0;
      return known + (value ?? 0);
    })
    .toReversed();
}
