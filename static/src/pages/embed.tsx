import type { UseQueryResult } from "@tanstack/preact-query";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, useOperation } from "../api/use.ts";
import { Chart } from "../charts/chart.tsx";
import { Bars } from "../ui/bars.tsx";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { COUNTS, ZONE } from "../view/format.ts";
import { useView } from "../view/state.ts";

const BREAKDOWNS = { versions: "VERSION", os: "OS", runtimes: "RUNTIME", "package-managers": "PACKAGE_MANAGER" } as const;
const TITLES: Record<string, string> = { versions: "Versions", os: "Operating systems", runtimes: "Runtimes", "package-managers": "Package managers" };

/** A single chart for an iframe on another page. Requires a public dashboard or a login. */
export function Embed({ project, chart }: { project: string; chart: string }) {
  return (
    <main class="embed">
      <h1 class="sr">{project}</h1>
      {chart in BREAKDOWNS && <Breakdown project={project} chart={chart as keyof typeof BREAKDOWNS} />}
      {(chart === "active" || chart === "events") && <Series project={project} chart={chart} />}
      {!(chart in BREAKDOWNS || chart === "active" || chart === "events") && <EmptyState>Unknown chart.</EmptyState>}
    </main>
  );
}

/** A query's result, or a notice that the chart is not public: an iframe cannot show the login form. */
function EmbedResult<T>({ answer, children }: { answer: UseQueryResult<T, Error>; children: (data: T) => ComponentChildren }) {
  const { error } = answer;
  if (error instanceof ApiError && (error.code === "UNAUTHENTICATED" || error.code === "FORBIDDEN" || error.code === "NOT_FOUND")) {
    return <EmptyState>This chart is not public.</EmptyState>;
  }
  return (
    <QueryResult answer={answer} height={280}>
      {children}
    </QueryResult>
  );
}

/** The height available for the chart inside the iframe, in px. */
function useHeight(): number {
  const [height, setHeight] = useState(innerHeight);
  useEffect(() => {
    const resized = () => setHeight(innerHeight);
    addEventListener("resize", resized);
    return () => removeEventListener("resize", resized);
  }, []);
  return Math.max(120, height - 110);
}

function Series({ project, chart }: { project: string; chart: "active" | "events" }) {
  const { span, filter, people } = useView();
  const step = span.step === "HOUR" ? "DAY" : span.step;
  const height = useHeight();
  const answer = useOperation("Series", { slug: project, period: span.period, filter, step });
  return (
    <EmbedResult answer={answer}>
      {({ project: { series } }) => {
        const values = chart === "events" ? series.events : ((people ? series.activePeople : series.activeAll) ?? []);
        const title = chart === "events" ? "Events" : people ? "Active people" : "Active installs";
        return <Chart title={title} note={ZONE} starts={series.starts} step={step} measure={COUNTS} height={height} lines={[{ label: title, values, color: "accent", filled: true }]} />;
      }}
    </EmbedResult>
  );
}

function Breakdown({ project, chart }: { project: string; chart: keyof typeof BREAKDOWNS }) {
  const { span, filter, people } = useView();
  const answer = useOperation("Breakdown", { slug: project, by: BREAKDOWNS[chart], period: span.period, filter, first: 10 });
  return (
    <EmbedResult answer={answer}>
      {({ project: { breakdown } }) => {
        const byInstalls = breakdown.rows.every(({ installs }) => installs !== null);
        const of = (installs: { all: number; people: number } | null, events: number) => (people ? installs?.people : installs?.all) ?? events;
        const unreported = breakdown.rows.find(({ value }) => value === null);
        return (
          <Bars
            title={TITLES[chart] ?? chart}
            unit={byInstalls ? (people ? "people" : "installs") : "events"}
            bars={breakdown.rows
              .flatMap(({ value, installs, events }) => {
                const amount = of(installs, events);
                return value === null || amount === 0 ? [] : [{ where: null, label: value, amount }];
              })
              .toSorted((one, other) => other.amount - one.amount)}
            others={{ values: breakdown.otherValues, amount: of(breakdown.otherInstalls, breakdown.otherEvents) }}
            unreported={unreported ? of(unreported.installs, unreported.events) : 0}
          />
        );
      }}
    </EmbedResult>
  );
}
