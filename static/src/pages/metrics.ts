// The figures of the overview: what each is called, where it is found in the answer, and how it is said.
import type { Data } from "../api/client.ts";
import { COUNTS, DURATIONS, type Measure, SHARES, compact, duration, percent } from "../view/format.ts";

export type Page = Data<"OverviewPage">["project"];
type Overview = Page["overview"];
type Values = (number | null)[];
type Maybe = number | null | undefined;

export interface Metric {
  label: string;
  /** What it is called where people only are counted. */
  labelPeople?: string;
  measure: Measure;
  /** Its figure where there is little room. */
  short(value: Maybe, exact?: boolean): string;
  change(overview: Overview, people: boolean): { value?: number | null; before?: number | null; change?: number | null; exact?: boolean };
  /** It over time, in the period or in the one before; null where the answer has none. */
  values(page: Page, people: boolean, before: boolean): Values | null;
  /** What of the period before must be asked for. */
  needs?: "new" | "times";
  /** Less is better. */
  less?: boolean;
  /** It varies around a value, so that nothing is no natural end of its line. */
  close?: boolean;
  /** Is known by the hour. */
  hourly?: boolean;
}

export const METRICS = {
  active: {
    label: "Active installs",
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
    labelPeople: "New people",
    measure: COUNTS,
    short: compact,
    change: ({ new: fresh }, people) => (people ? fresh.people : fresh.all),
    values: (page, people, earlier) => freshOf(page, people, earlier),
    needs: "new",
  },
  events: {
    label: "Events",
    measure: COUNTS,
    short: compact,
    change: ({ events }) => events,
    values: ({ series, before }, _, earlier) => (earlier ? before : series).events,
    hourly: true,
  },
  success: {
    label: "Success rate",
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
    measure: DURATIONS,
    short: duration,
    change: ({ medianDuration }) => medianDuration,
    values: ({ medians, mediansBefore }, _, earlier) => (earlier ? (mediansBefore?.medians ?? null) : medians.medians),
    needs: "times",
    less: true,
    close: true,
  },
  installs: {
    label: "Installs known",
    labelPeople: "People known",
    measure: COUNTS,
    short: compact,
    change: ({ installs }, people) => (people ? installs.people : installs.all),
    values: (page, people, earlier) => {
      const { value, before } = people ? page.overview.installs.people : page.overview.installs.all;
      const of = earlier ? page.arrivalsBefore : page.arrivals;
      const fresh = (people ? of?.newPeople : of?.newAll) ?? null;
      return fresh && knownBy((earlier ? before : value) ?? 0, fresh);
    },
    close: true,
  },
} satisfies Record<string, Metric> as Record<"active" | "new" | "events" | "success" | "duration" | "installs", Metric>;

export type MetricName = keyof typeof METRICS;

/** The metric that an address asks for; by the hour only events and their outcomes are known. */
export function metricOf(asked: string | null, step: string): MetricName {
  const name = asked !== null && asked in METRICS ? (asked as MetricName) : "active";
  return step === "HOUR" && !METRICS[name].hourly ? "events" : name;
}

function freshOf({ newAndReturning, newBefore }: Page, people: boolean, earlier: boolean): Values | null {
  const of = earlier ? newBefore : newAndReturning;
  return (people ? of?.newPeople : of?.newAll) ?? null;
}

/** How many installs were known at each step's end, from how many there were at the last and how many were new in each. */
function knownBy(last: number, fresh: Values): number[] {
  let known = last;
  return fresh
    .toReversed()
    .map((value) => {
      known -= value ?? 0;
      return known + (value ?? 0);
    })
    .toReversed();
}
