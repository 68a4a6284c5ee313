import type { UseQueryResult } from "@tanstack/preact-query";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Refused, useAsk } from "../api/use.ts";
import { Chart } from "../charts/chart.tsx";
import { Bars } from "../ui/bars.tsx";
import { Answered, Nothing } from "../ui/states.tsx";
import { COUNTS, ZONE } from "../view/format.ts";
import { useView } from "../view/state.ts";

const BREAKDOWNS = { versions: "VERSION", os: "OS", runtimes: "RUNTIME", "package-managers": "PACKAGE_MANAGER" } as const;
const TITLES: Record<string, string> = { versions: "Versions", os: "Operating systems", runtimes: "Runtimes", "package-managers": "Package managers" };

/** One chart by itself, for a frame on another page. Shown to everybody where the project's dashboard is public. */
export function Embed({ project, chart }: { project: string; chart: string }) {
  return (
    <main class="embed">
      <h1 class="sr">{project}</h1>
      {chart in BREAKDOWNS && <Breakdown project={project} chart={chart as keyof typeof BREAKDOWNS} />}
      {(chart === "active" || chart === "events") && <Series project={project} chart={chart} />}
      {!(chart in BREAKDOWNS || chart === "active" || chart === "events") && <Nothing>There is no such chart.</Nothing>}
    </main>
  );
}

/** An answer, or that it is not for everybody: a frame is no place to log in. */
function Shown<T>({ answer, children }: { answer: UseQueryResult<T, Error>; children: (data: T) => ComponentChildren }) {
  const { error } = answer;
  if (error instanceof Refused && (error.code === "UNAUTHENTICATED" || error.code === "FORBIDDEN" || error.code === "NOT_FOUND")) {
    return <Nothing>This chart is not public.</Nothing>;
  }
  return (
    <Answered answer={answer} height={280}>
      {children}
    </Answered>
  );
}

/** The height that the frame leaves for a chart. */
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
  const answer = useAsk("Series", { slug: project, period: span.period, filter, step });
  return (
    <Shown answer={answer}>
      {({ project: { series } }) => {
        const values = chart === "events" ? series.events : ((people ? series.activePeople : series.activeAll) ?? []);
        const title = chart === "events" ? "Events" : people ? "Active people" : "Active installs";
        return <Chart title={title} note={ZONE} starts={series.starts} step={step} measure={COUNTS} height={height} lines={[{ label: title, values, color: "accent", filled: true }]} />;
      }}
    </Shown>
  );
}

function Breakdown({ project, chart }: { project: string; chart: keyof typeof BREAKDOWNS }) {
  const { span, filter, people } = useView();
  const answer = useAsk("Breakdown", { slug: project, by: BREAKDOWNS[chart], period: span.period, filter, first: 10 });
  return (
    <Shown answer={answer}>
      {({ project: { breakdown } }) => {
        const of = (installs: { all: number; people: number } | null, events: number) => (people ? installs?.people : installs?.all) ?? events;
        const unsaid = breakdown.rows.find(({ value }) => value === null);
        return (
          <Bars
            title={TITLES[chart] ?? chart}
            unit={people ? "people" : "installs"}
            bars={breakdown.rows
              .flatMap(({ value, installs, events }) => {
                const amount = of(installs, events);
                return value === null || amount === 0 ? [] : [{ value: null, label: value, amount }];
              })
              .toSorted((one, other) => other.amount - one.amount)}
            others={{ values: breakdown.otherValues, amount: of(breakdown.otherInstalls, breakdown.otherEvents) }}
            unsaid={unsaid ? of(unsaid.installs, 0) : 0}
          />
        );
      }}
    </Shown>
  );
}
