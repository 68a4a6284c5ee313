import type { Data } from "../api/client.ts";
import { useAsk } from "../api/use.ts";
import { Chart } from "../charts/chart.tsx";
import { Spark } from "../charts/spark.tsx";
import { Bars, type Bar } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { Icon } from "../ui/icons.tsx";
import { Answered, Nothing } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { ago, compact, count, duration, growth, percent, words } from "../view/format.ts";
import { type FilterName, targetText, useView } from "../view/state.ts";
import { FirstEvent } from "./first-event.tsx";
import { Link, useSearch } from "wouter-preact";

type Page = Data<"OverviewPage">["project"];

const WHILE_EMPTY = 3_000; // ms
const isEmpty = (project: Page | undefined): boolean => project?.overview.installs.all.value === 0 && project.overview.events.value === 0 && project.overview.events.before === 0;

export function Overview({ project }: { project: string }) {
  const view = useView();
  const { reads } = useAccount();
  const { period, before, step } = view.span;
  const answer = useAsk(
    "OverviewPage",
    { slug: project, period, before, filter: view.filter, step, coarse: step === "HOUR" ? "DAY" : step, known: reads },
    { refresh: (data) => (isEmpty(data?.project) ? WHILE_EMPTY : 60_000) },
  );
  const filtered = Object.keys(view.filters).length > 0;
  return (
    <Answered answer={answer} height={640}>
      {({ project: page }) => (isEmpty(page) && !filtered ? <FirstEvent project={project} /> : <Figures page={page} project={project} />)}
    </Answered>
  );
}

function Figures({ page, project }: { page: Page; project: string }) {
  const { people, span } = useView();
  const { overview, series } = page;
  const who = people ? "people" : "all";
  const active = (people ? series.activePeople : series.activeAll) ?? series.events;
  const rates = series.successes.map((value, place) => {
    const ended = value + (series.failures[place] ?? 0);
    return ended ? value / ended : null;
  });
  const fresh = people ? page.newAndReturning.newPeople : page.newAndReturning.newAll;
  const known = knownBefore(overview.installs[who].value ?? 0, fresh);
  return (
    <>
      <div class="figures">
        <Figure label="Active installs" text={compact(overview.active[who].value)} change={overview.active[who].change} spark={active} />
        <Figure label="New installs" text={compact(overview.new[who].value)} change={overview.new[who].change} spark={fresh} />
        <Figure label="Events" text={compact(overview.events.value)} change={overview.events.change} spark={series.events} />
        <Figure label="Success rate" text={percent(overview.successRate.value)} change={overview.successRate.change} spark={rates} />
        <Figure label="Median duration" text={duration(overview.medianDuration.value)} change={overview.medianDuration.change} spark={page.medians.medians} less />
        <Figure label="Installs known" text={compact(overview.installs[who].value)} change={overview.installs[who].change} spark={known} />
      </div>
      <Main page={page} step={span.step} people={people} />
      <div class="grid">
        <Values title="Versions" of={page.versions} by="version" people={people} />
        <Values title="Operating systems" of={page.os} by="os" people={people} />
        <Values title="Runtimes" of={page.runtimes} by="runtime" people={people} />
        <Values title="Package managers" of={page.packageManagers} by="pm" people={people} />
        <Values title="Events" of={page.names} by="name" people={people} />
        {page.targets && <Values title="Tools and targets" of={page.targets} by="target" people={people} />}
        <Values title="Who runs it" of={page.environments} by="env" people={people} />
        {page.errors && <Recent errors={page.errors} project={project} />}
      </div>
    </>
  );
}

/** How many installs were known at each step's end, from how many there are now and how many were new in each. */
function knownBefore(now: number, fresh: number[]): number[] {
  let known = now;
  return fresh
    .toReversed()
    .map((value) => {
      known -= value;
      return known + value;
    })
    .toReversed();
}

interface FigureProps {
  label: string;
  text: string;
  change: number | null | undefined;
  spark?: (number | null)[];
  /** Less is better. */
  less?: boolean;
}

function Figure({ label, text, change, spark, less = false }: FigureProps) {
  const good = change == null || Math.abs(change) < 0.005 ? "" : change > 0 !== less ? "good" : "bad";
  return (
    <div class="figure-card">
      <h2>{label}</h2>
      <p class="big">{text}</p>
      <p class={`change ${good}`}>
        {change == null ? (
          <span class="soft">nothing to compare</span>
        ) : (
          <>
            <Icon name={change >= 0 ? "up" : "down"} size={13} /> {growth(change)} <span class="soft">on before</span>
          </>
        )}
      </p>
      {spark && <Spark values={spark} />}
    </div>
  );
}

function Main({ page: { series, before }, step, people }: { page: Page; step: string; people: boolean }) {
  const pick = (of: Page["series"]) => (people ? of.activePeople : of.activeAll);
  const installs = pick(series);
  const earlier = pick(before);
  const hourly = installs == null;
  return (
    <>
      <Chart
        title={hourly ? "Events" : people ? "Active people" : "Active installs"}
        starts={series.starts}
        step={step}
        figure={count}
        lines={[
          { label: "This period", values: installs ?? series.events, color: "accent", filled: true },
          { label: "The period before", values: earlier ?? before.events, color: "soft", dashed: true },
        ]}
      />
      {!hourly && (
        <Chart
          title="Events by outcome"
          starts={series.starts}
          step={step}
          figure={count}
          stacked
          height={180}
          lines={[
            { label: "Failure", values: series.failures, color: "bad" },
            { label: "Success", values: series.successes, color: "c2" },
            { label: "Says nothing", values: series.events.map((value, place) => value - (series.successes[place] ?? 0) - (series.failures[place] ?? 0)), color: "c8" },
          ]}
        />
      )}
    </>
  );
}

function Values({ title, of, by, people }: { title: string; of: Page["os"]; by: FilterName; people: boolean }) {
  const known = of.rows.filter(({ value }) => value !== null);
  const silent = of.rows.find(({ value }) => value === null);
  const byInstalls = known.length > 0 && known.every(({ installs }) => installs !== null);
  const bars = known.map(({ value, targetType, events, successRate, installs }): Bar => {
    const text = value ?? "";
    return {
      value: by === "target" ? targetText(targetType, text) : by === "env" ? text.toLowerCase() : text,
      label: by === "env" ? words(text) : text,
      amount: byInstalls ? ((people ? installs?.people : installs?.all) ?? 0) : events,
      ...(successRate !== null && successRate < 0.9 ? { aside: `${percent(successRate)} succeed` } : {}),
    };
  });
  bars.sort((one, other) => other.amount - one.amount);
  return (
    <Bars
      title={title}
      bars={bars}
      by={by}
      unit={byInstalls ? (people ? "people" : "installs") : "events"}
      {...(byInstalls ? {} : { others: { values: of.otherValues, amount: of.otherEvents } })}
      {...(silent && known.length === 0 ? { note: "no event says" } : {})}
    />
  );
}

function Recent({ errors, project }: { errors: NonNullable<Page["errors"]>; project: string }) {
  const search = useSearch();
  return (
    <Card title="Errors" note={`${count(errors.events)} of ${count(errors.types)} types`}>
      {errors.groups.length === 0 ? (
        <Nothing>Nothing failed with an error in this period.</Nothing>
      ) : (
        <ul class="rows">
          {errors.groups.map((group) => (
            <li key={group.type}>
              <Link href={`/d/${project}/errors${search ? `?${search}` : ""}`}>
                <b>{group.type}</b>
                <span class="soft">
                  {count(group.installs.all)} installs · last {ago(group.lastSeen)}
                </span>
                <span class="row-figure">{count(group.events)}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
