import type { QueryClient } from "@tanstack/preact-query";
import type { ComponentChildren } from "preact";
import { memo } from "preact/compat";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Data } from "../api/client.ts";
import { Link } from "wouter-preact";
import { runOperation } from "../api/client.ts";
import { fetchAllValues } from "../api/pages.ts";
import { useTurn } from "../api/turn.ts";
import { useAhead, useOperation } from "../api/use.ts";
import { Chart } from "../charts/chart.tsx";
import { Bars, type Bar } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { Figure } from "../ui/figure.tsx";
import { Held } from "../ui/held.tsx";
import { EmptyState, ErrorNotice, QueryResult } from "../ui/states.tsx";
import { hadReadAccess, rememberReadAccess, useAccount, useFirstEventTime } from "../view/account.ts";
import { ABOUT_DURATIONS, COUNTS, ago, count, day, estimateOf, growth, margin, moment, percent, plural, points, toLabel } from "../view/format.ts";
import { boundsOf, isComparable } from "../view/period.ts";
import { BY_TARGET, errorQuestion, rowsFor, useExploreLink } from "../view/explore-link.ts";
import { drawableValues, incompleteSteps } from "../view/steps.ts";
import { type View, targetConditions, useView, viewOf } from "../view/state.ts";
import { type Condition, isValue, splitBy } from "../view/conditions.ts";
import { VersionGroups, VersionPartSelect, useVersionPart } from "./version-groups.tsx";
import { METRICS, type Metric, type MetricName, type Page, metricOf } from "./metrics.ts";
import { useParams, useQueryText } from "../view/address.ts";
import { BASE } from "../view/base.ts";

/** Variables of the `OverviewPage` operation for an address. */
function pageVariables(project: string, params: URLSearchParams, known: boolean) {
  const { span, filter, where } = viewOf(params);
  const { period, before, step } = span;
  const { needs } = METRICS[metricOf(params.get("metric"), step)];
  const coarse: typeof step = step === "HOUR" ? "DAY" : step;
  const unfiltered: typeof filter = { ...filter, ...(isFiltered(where) ? { where: [] } : {}) };
  const asksKnown = metricOf(params.get("metric"), step) === "installs";
  // With filters, each card asks for itself, the visible ones first: cards appear as they are answered, and one that takes too long does not blank
  // the page.
  const cards = where.length === 0;
  return { slug: project, period, before, filter, unfiltered, asksKnown, step, coarse, cards, privateCards: cards && known, newBefore: needs === "new", timesBefore: needs === "times" };
}

/** Prefetches the overview of the current address if this browser had read access before: saves one round trip. */
export function prefetchOverview(client: QueryClient): void {
  const [, project] = /^\/d\/([a-z0-9-]+)$/.exec(location.pathname.slice(BASE.length)) ?? [];
  if (!project || !hadReadAccess()) return;
  const variables = pageVariables(project, new URLSearchParams(location.search), true);
  void client.prefetchQuery({ queryKey: ["OverviewPage", variables], queryFn: ({ signal }) => runOperation("OverviewPage", variables, signal), retry: false });
}

/** Overview page: headline figures, the selected metric over time, and breakdowns. */
export function Overview({ project }: { project: string }) {
  const { reads } = useAccount();
  const [params] = useParams();
  const variables = pageVariables(project, params, reads);
  const picked = metricOf(params.get("metric"), variables.step);
  const answer = useOperation("OverviewPage", variables);
  useAhead("OverviewPage", (next) => pageVariables(project, next, reads));
  useEffect(() => rememberReadAccess(reads), [reads]);
  return (
    <QueryResult answer={answer} height={640}>
      {({ project: page }) => (
        <>
          <Held isStale={answer.isPlaceholderData}>
            <Figures page={page} project={project} metric={hasData(page, picked) ? picked : "events"} />
          </Held>
          <Parts page={page} project={project} />
        </>
      )}
    </QueryResult>
  );
}

function Figures({ page, project, metric }: { page: Page; project: string; metric: MetricName }) {
  const { people, span, where } = useView();
  const filtered = isFiltered(where);
  const [, setParams] = useParams();
  const firstEventAt = useFirstEventTime(project);
  const compared = isComparable(span, firstEventAt);
  const { starts } = page.series;
  const incomplete = incompleteSteps(starts, span.step, boundsOf(span));
  const sparkline = (name: MetricName) => {
    // Without filters, new installs of the period are the arrivals that the known installs grow by.
    const source = name === "installs" && !filtered ? { ...page, arrivals: page.arrivals ?? page.newAndReturning } : page;
    const values = metricOf(name, span.step) === name ? METRICS[name].values(source, people, false) : null; // by the hour, most metrics have none
    if (values === null) return {};
    const drawn = drawableValues(values, starts, span.step, firstEventAt);
    const isDrawn = (value: number | null) => value !== null;
    const [first, last] = [drawn.findIndex(isDrawn), drawn.findLastIndex(isDrawn)];
    return { spark: drawn, cut: first === 0 && first < last && name !== "installs" && incomplete.has(first), open: last > 0 && incomplete.has(last) };
  };
  const until = page.overview.comparedUntil;
  const choose = (name: MetricName) =>
    setParams((next) => (name === "active" ? next.delete("metric") : next.set("metric", name)));
  return (
    <>
      <div class="figures">
        {(Object.keys(METRICS) as MetricName[]).filter((name) => hasData(page, name)).map((name) => {
          const { label, change, less = false, close = false, measure, short } = METRICS[name];
          const figure = change(page.overview, people);
          return (
            <Figure
              key={name}
              label={label}
              text={short(figure.value, figure.exact)}
              was={short(figure.before, figure.exact)}
              change={figure.change ?? null}
              grew={measure.share ? points(figure) : growth(figure.change)}
              {...(compared ? {} : { since: firstEventAt })}
              {...sparkline(name)}
              against={until == null ? undefined : name === "installs" ? "Known at the start of this period" : `Previous period, until ${moment(until)}`}
              less={less}
              close={close}
              full={figure.exact === false ? `${measure.full(figure.value)}, within 2%` : measure.full(figure.value)}
              note={[estimateOf(margin(figure, measure.share)), noteOf(name, filtered)].filter(Boolean).join(" · ") || undefined}
              {...(metricOf(name, span.step) === name ? { picked: metric === name, pick: () => choose(name) } : {})}
            />
          );
        })}
      </div>
      <div class="charts">
        <Main page={page} project={project} metric={metric} compared={compared} />
        <Outcomes page={page} project={project} />
      </div>
    </>
  );
}

/** Reports whether a metric has data: projects with only downloads have no installs, outcomes or durations. */
function hasData({ overview }: Page, name: MetricName): boolean {
  if (overview.installs.all.value || !overview.events.value) return true;
  return name === "events" || (name === "success" && overview.successRate.value != null) || (name === "duration" && overview.medianDuration.value != null);
}

/** Note for a metric that ignores the page's filters or counts by another time. */
function noteOf(name: MetricName, filtered: boolean): string | undefined {
  if (name === "installs" && filtered) return "not filtered";
  return name === "events" ? "by event time" : undefined;
}

/** Reports whether a filter is set that "Known installs" ignores: it applies only the audience and one environment. */
const isFiltered = (where: Condition[]): boolean => where.some(({ field, op, values }) => field !== "environment" || op !== "IS" || values.length !== 1);

function Main({ page, project, metric, compared }: { page: Page; project: string; metric: MetricName; compared: boolean }) {
  const explore = useExploreLink(project);
  const { people, span, where } = useView();
  const { label, labelPeople, values, explore: measures }: Metric = METRICS[metric];
  const measure = metric === "duration" && !page.medians.exact ? ABOUT_DURATIONS : METRICS[metric].measure;
  const now = values(page, people, false) ?? [];
  const earlier = values(page, people, true);
  return (
    <Chart
      title={(people && labelPeople) || label}
      starts={page.series.starts}
      step={span.step}
      measure={measure}
      whole={metric === "installs"}
      note={noteOf(metric, isFiltered(where))}
      explore={measures && explore({ measures })}
      lines={[
        { label: "Current period", values: now, color: "accent", filled: !measure.share },
        ...(compared && earlier ? [{ label: "Previous period", values: earlier, color: "soft", dashed: true, starts: page.before.starts }] : []),
      ]}
    />
  );
}

function Outcomes({ page: { series }, project }: { page: Page; project: string }) {
  const explore = useExploreLink(project);
  const { span } = useView();
  const silent = series.events.map((value, place) => value - (series.successes[place] ?? 0) - (series.failures[place] ?? 0));
  return (
    <Chart
      title="Events by outcome"
      explore={explore({ measures: ["EVENTS"], by: [splitBy("outcome")] })}
      starts={series.starts}
      step={span.step}
      measure={COUNTS}
      stacked
      lines={[
        { label: "Failure", values: series.failures, color: "bad" },
        { label: "Success", values: series.successes, color: "c2" },
        { label: "No outcome", values: silent, color: "c8" },
      ]}
    />
  );
}

function Parts({ page, project }: { page: Page; project: string }) {
  const { people } = useView();
  const { reads } = useAccount();
  const part = useVersionPart();
  return (
    <div class="grid">
      {part ? <VersionGroups project={project} part={part} /> : <Values title="Versions" project={project} of={page.versions} by="version" note={reads && VERSION_PART} />}
      <Values title="Events" project={project} of={page.names} by="name" />
      {reads && <Values title="Tools and targets" project={project} of={page.targets} by="target" />}
      {reads && <Recent errors={page.errors} failures={page.series.failures.reduce((sum, value) => sum + value, 0)} project={project} />}
      <Values title="Operating systems" project={project} of={page.os} by="os" />
      <Values title="Runtimes" project={project} of={page.runtimes} by="runtime" />
      <Values title="Package managers" project={project} of={page.packageManagers} by="pm" />
      <Values title="Environments" project={project} of={page.environments} by="env" active={(people ? page.overview.active.people.value : page.overview.active.all.value) ?? undefined} />
    </div>
  );
}

const VERSION_PART = <VersionPartSelect />; // one object, so that the card is drawn again only when its data changes
const BY = { version: "VERSION", os: "OS", runtime: "RUNTIME", pm: "PACKAGE_MANAGER", name: "NAME", target: "TARGET", env: "ENVIRONMENT" } as const;
/** The field of each breakdown in questions. */
const FIELDS = { version: "version", os: "os", runtime: "runtime", pm: "package_manager", name: "name", target: "target", env: "environment" } as const;
const FEW = 8; // rows in a collapsed card; the query asks for more because rows arrive sorted by events, not installs
const ALL = 200; // the server's maximum per request

interface ValuesProps {
  title: string;
  project: string;
  /** The breakdown, if the page has asked for it. */
  of: Breakdown | undefined;
  by: keyof typeof BY;
  /** Active installs: the total for environment shares, because one install can run in several environments. */
  active?: number | undefined;
  /** Content in place of the unit. */
  note?: ComponentChildren;
}

type Breakdown = Data<"Breakdown">["project"]["breakdown"];
type Values = Breakdown["rows"];

const isKnown = ({ value, events, installs }: Values[number]) => value !== null && (events > 0 || (installs?.all ?? 0) > 0);

const BY_EVENTS = new Set(["name", "target", "env"]); // cards that list the first rows
const BY_INSTALLS = new Set(["version", "os", "runtime", "pm"]); // cards that count installs
const MANY = 40;
const NO_INSTALLS = "Installs by value are not counted: the period has too many events to read without the history.";
const NO_INSTALLS_KEPT = "Installs by value are not counted: retention has deleted the events of this period.";

/** Breakdown by one dimension. With filters, it asks for itself, beside the page. */
function Values(props: ValuesProps) {
  const { project, of, by } = props;
  const view = useView();
  const isOwn = view.where.length > 0;
  const variablesOf = ({ span, filter }: View) => ({ slug: project, by: BY[by], period: span.period, filter, first: BY_EVENTS.has(by) ? FEW : MANY });
  const variables = variablesOf(view);
  const { ref, isDue, isVisible } = useTurn(JSON.stringify(variables));
  useAhead("Breakdown", (params) => askedBy(params, isVisible, variablesOf));
  const answer = useOperation("Breakdown", variables, { enabled: isOwn && isDue });
  const now = isOwn ? answer.data?.project.breakdown : of;
  const last = useRef(now);
  const shown = now ?? last.current;
  last.current = shown;
  if (isOwn && answer.isError) return <Failed title={props.title} answer={answer} />;
  if (shown === undefined) return <div class="skeleton card-skeleton" ref={ref} aria-busy="true" aria-label="Loading" role="status" />;
  const isStale = now === undefined || (isOwn && answer.isPlaceholderData);
  return (
    <div class={isStale ? "stale" : ""} ref={ref} aria-busy={isStale}>
      <Held isStale={isStale}>
        <ValuesCard {...props} of={shown} />
      </Held>
    </div>
  );
}

/** Variables of a card for new parameters of the address; null if the page has its figures, or if it is not visible and waits for its turn. */
function askedBy<V>(params: URLSearchParams, isVisible: boolean, variablesOf: (view: View) => V): V | null {
  const view = viewOf(params);
  return isVisible && view.where.length > 0 ? variablesOf(view) : null;
}

/** A card whose question failed. */
function Failed({ title, answer }: { title: string; answer: { error: Error | null; refetch: () => unknown } }) {
  return <Card title={title}>{answer.error && <ErrorNotice error={answer.error} retry={() => void answer.refetch()} slim />}</Card>;
}

/** The most common values, or all of them when expanded. */
const ValuesCard = memo(({ title, project, of: first, by, active, note }: ValuesProps & { of: Breakdown }) => {
  const { people, span, filter } = useView();
  const explore = useExploreLink(project);
  const [whole, setWhole] = useState(false);
  const variables = { slug: project, by: BY[by], period: span.period, filter };
  const all = useOperation("Breakdown", { ...variables, first: ALL }, { enabled: whole });
  const of = (whole && all.data?.project.breakdown) || first;
  const known = of.rows.filter(isKnown);
  const byInstalls = known.length > 0 && known.every(({ installs }) => installs !== null);
  const lacksInstalls = BY_INSTALLS.has(by) && known.some(({ installs }) => installs === null);
  const unit = byInstalls ? `${people ? "people" : "installs"}${of.since ? ` since ${day(of.since)}` : ""}` : "events";
  const amountOf = ({ installs, events }: Pick<Values[number], "installs" | "events">) => (byInstalls ? ((people ? installs?.people : installs?.all) ?? 0) : events);
  const barsOf = (rows: Values) =>
    rows
      .filter(isKnown)
      .map((row): Bar => {
        const { value, targetType, successRate } = row;
        const text = value ?? "";
        return {
          where: by === "target" ? targetConditions(targetType, text) : [isValue(FIELDS[by], by === "env" ? text.toLowerCase() : text)],
          label: by === "env" ? toLabel(text) : text,
          amount: amountOf(row),
          ...(successRate !== null && successRate < 0.9 ? { aside: `${percent(successRate)} success` } : {}),
        };
      })
      .filter(({ amount }) => amount > 0)
      .toSorted((one, other) => other.amount - one.amount);
  const bars = barsOf(of.rows);
  const shown = whole && all.data ? bars : by === "version" ? withOutstanding(bars) : bars.slice(0, FEW);
  const shownRanks = Math.max(0, ...shown.map((bar) => bars.indexOf(bar))) + 2; // with the group without a value
  const others = of.otherInstalls ? ((people ? of.otherInstalls.people : of.otherInstalls.all) ?? 0) : null;
  const hidden = bars.reduce((sum, { amount }) => sum + amount, 0) - shown.reduce((sum, { amount }) => sum + amount, 0);
  const rest = (byInstalls ? (others ?? 0) : of.otherEvents) + hidden;
  const unreported = of.rows.filter(({ value }) => value === null).reduce((sum, row) => sum + amountOf(row), 0);
  return (
    <Bars
      title={title}
      explore={explore({ measures: [byInstalls ? "INSTALLS" : "EVENTS"], ...(by === "target" ? BY_TARGET : { by: [splitBy(FIELDS[by])] }), chart: "bars", first: rowsFor(shownRanks) })}
      bars={shown}
      note={note || undefined}
      unit={unit}
      others={{ values: of.otherValues + bars.length - shown.length, amount: by === "env" ? null : rest }}
      total={by === "env" && byInstalls ? active : undefined}
      unreported={unreported}
      remark={lacksInstalls ? (of.since ? NO_INSTALLS_KEPT : NO_INSTALLS) : undefined}
      all={async () => barsOf(await fetchAllValues(variables))}
      more={{ whole: whole && all.data !== undefined, toggle: () => setWhole(!whole) }}
      {...(of.rows.length > 0 && known.length === 0 ? { nothing: "No event in this period reports this." } : {})}
    />
  );
});

/** The most common versions, plus up to two rare versions with a low success rate. */
function withOutstanding(bars: Bar[]): Bar[] {
  const rare = bars.slice(FEW).filter(({ aside, amount }) => aside && amount > 1).slice(0, 2);
  return [...bars.slice(0, FEW - rare.length), ...rare];
}

type Errors = NonNullable<Page["errors"]>;

/** The most common errors. With filters, the card asks for itself, beside the page. */
function Recent({ errors: given, failures, project }: { errors: Errors | undefined; failures: number; project: string }) {
  const view = useView();
  const isOwn = view.where.length > 0;
  const variablesOf = ({ span, filter }: View) => ({ slug: project, period: span.period, filter, first: 6 });
  const variables = variablesOf(view);
  const { ref, isDue, isVisible } = useTurn(JSON.stringify(variables));
  useAhead("ErrorTypes", (params) => askedBy(params, isVisible, variablesOf));
  const answer = useOperation("ErrorTypes", variables, { enabled: isOwn && isDue });
  const now = isOwn ? answer.data?.project.errors : given;
  const last = useRef(now);
  const errors = now ?? last.current;
  last.current = errors;
  if (isOwn && answer.isError) return <Failed title="Errors" answer={answer} />;
  if (errors === undefined) return <div class="skeleton card-skeleton" ref={ref} aria-busy="true" aria-label="Loading" role="status" />;
  const isStale = now === undefined || (isOwn && answer.isPlaceholderData);
  return (
    <div class={isStale ? "stale" : ""} ref={ref} aria-busy={isStale}>
      <Held isStale={isStale}>
        <RecentCard errors={errors} failures={failures} project={project} />
      </Held>
    </div>
  );
}

function RecentCard({ errors, failures, project }: { errors: Errors; failures: number; project: string }) {
  const explore = useExploreLink(project);
  const search = useQueryText();
  const at = (type: string | null) => {
    const params = new URLSearchParams(search);
    params.set("error", type ?? "");
    return `/d/${project}/errors?${params}`;
  };
  return (
    <Card
      title="Errors"
      note={errors.events > 0 ? `${plural(errors.events, "event")}, ${plural(errors.types, "type")}` : ""}
      explore={explore(errorQuestion(errors.events, failures))}
    >
      {errors.groups.length === 0 ? (
        <EmptyState>No failures in this period.</EmptyState>
      ) : (
        <ul class="rows">
          {errors.groups.map(({ type, installs, lastSeen, events }) => (
            <li key={type ?? ""}>
              <Link href={at(type)} class="error-row" title={type ?? "No error type"}>
                <b class={type === null ? "cut soft" : "cut"}>{type ?? "No error type"}</b>
                <span class="row-figure">{count(events)}</span>
                <span class="soft">
                  {plural(installs.all, "install")} · {ago(lastSeen)}
                </span>
              </Link>
            </li>
          ))}
        </ul>
      )}
      {errors.types > errors.groups.length && (
        <p class="others">
          <Link href={`/d/${project}/errors${search ? `?${search}` : ""}`}>All {count(errors.types)} types</Link>
        </p>
      )}
    </Card>
  );
}
