import type { Data } from "../api/client.ts";
import { fetchAllValues } from "../api/pages.ts";
import { useTurn } from "../api/turn.ts";
import { useOperation } from "../api/use.ts";
import { type Bar, Bars } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { barsOf } from "../ui/save.ts";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { count, duration, plural, percent } from "../view/format.ts";
import { useParams } from "../view/address.ts";
import { BY_TARGET, rowsFor, useExploreLink } from "../view/explore-link.ts";
import { type Condition, isValue, splitBy } from "../view/conditions.ts";
import { targetConditions, useView } from "../view/state.ts";
import { Histogram, Shape } from "./histogram.tsx";

type Page = Data<"Usage">["project"];
type Timed = Page["timed"]["groups"][number];

/** Usage page: events and targets with success rates and durations. Each card asks for itself, the visible ones first. */
export default function Usage({ project }: { project: string }) {
  return (
    <div class="stack">
      <Part project={project} title="Commands and other events" by="name" />
      <Part project={project} title="Tools and targets" by="target" />
      <Properties project={project} />
    </div>
  );
}

const PERCENTILES = ["p50", "p75", "p95", "p99"] as const;

type By = "name" | "target";

interface Row {
  /** Value of the address parameter that selects the histogram. */
  key: string;
  /** Conditions that a click sets. */
  where: Condition[];
  label: string;
  targetType: string | null;
  events: number;
  successes: number;
  failures: number;
  successRate: number | null;
  times: Timed | undefined;
}

function rowsOf(counted: Page["counted"], timed: Timed[], by: By): Row[] {
  return counted.rows.flatMap(({ value, targetType, ...row }) => {
    if (value === null) return [];
    const times = timed.find((each) => each.label === value && (by === "name" || each.targetType === targetType));
    return [{ ...row, targetType, label: value, key: by === "target" ? `${targetType ?? ""}:${value}` : value, where: by === "target" ? targetConditions(targetType, value) : [isValue("name", value)], times }];
  });
}

const FIELDS = { name: "NAME", target: "TARGET" } as const;

function Part({ project, title, by }: { project: string; title: string; by: By }) {
  const { span, filter } = useView();
  const variables = { slug: project, by: FIELDS[by], of: FIELDS[by], period: span.period, filter, first: 20 };
  const { ref, isDue } = useTurn(JSON.stringify(variables));
  const answer = useOperation("Usage", variables, { enabled: isDue });
  return (
    <QueryResult answer={answer} height={600} box={ref}>
      {({ project: page }) => <Cards project={project} title={title} counted={page.counted} timed={page.timed.groups} by={by} />}
    </QueryResult>
  );
}

function Cards({ project, title, counted, timed, by }: { project: string; title: string; counted: Page["counted"]; timed: Timed[]; by: By }) {
  const [params, setParams] = useParams();
  const explore = useExploreLink(project);
  const rows = rowsOf(counted, timed, by);
  const parameter = by === "name" ? "times" : "tool-times"; // address parameter that selects the histogram
  const shown = rows.find(({ key, times }) => times && key === params.get(parameter)) ?? rows.find(({ times }) => times);
  const show = (key: string) => setParams((next) => next.set(parameter, key));
  const table = () => ({
    columns: [title, "events", "successes", "failures", ...PERCENTILES.map((name) => `${name} ms`)],
    rows: rows.map(({ label, events, successes, failures, times }) => [label, events, successes, failures, ...PERCENTILES.map((name) => times?.percentiles[name])]),
  });
  return (
    <div class="stack">
      <Card title={title} table={table} picture={() => barsOf(table(), count)} explore={explore({ measures: ["EVENTS", "FAILURE_RATE", "P50", "P75", "P95", "P99"], ...(by === "target" ? BY_TARGET : { by: [splitBy(by)] }), chart: "bars", first: rowsFor(rows.length) })} wide>
        {rows.length === 0 ? <EmptyState>No events in this period.</EmptyState> : <Rows title={title} rows={rows} by={by} shown={shown?.key} show={show} />}
        {counted.otherValues > 0 && (
          <p class="others">
            and {count(counted.otherValues)} more with {plural(counted.otherEvents, "event")}
          </p>
        )}
      </Card>
      {shown?.times && <Histogram of={shown.times} explore={explore({ measures: ["P50", "P75", "P95", "P99", "MEAN"], where: shown.where })} />}
    </div>
  );
}

function Rows({ title, rows, by, shown, show }: { title: string; rows: Row[]; by: By; shown: string | undefined; show: (key: string) => void }) {
  const { isSet, toggle } = useView();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={title}>
      <table class="single">
        <thead>
          <tr>
            <th scope="col">{by === "name" ? "Event" : "Target"}</th>
            {["Events", "Success rate", "Median", "p75", "p95", "p99"].map((name) => (
              <th scope="col" key={name} class="figure">
                {name}
              </th>
            ))}
            <th scope="col" class="figure">
              Durations
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, where, label, targetType, events, successRate, times }) => (
            <tr key={key} class={isSet(where) ? "picked" : ""}>
              <td class="rest">
                <button type="button" class="pick cut" title={`Show only ${label}`} aria-pressed={isSet(where)} onClick={() => toggle(where)}>
                  {label}
                </button>{" "}
                {targetType && <span class="soft">{targetType}</span>}
              </td>
              <td class="figure">{count(events)}</td>
              <td class="figure">{successRate !== null && successRate < 0.9 ? <b class="bad">{percent(successRate)}</b> : <OptionalFigure text={percent(successRate)} of={successRate} />}</td>
              {PERCENTILES.map((name) => (
                <td class="figure" key={name}>
                  <OptionalFigure text={duration(times?.percentiles[name], times?.percentiles.exact)} of={times?.percentiles[name]} />
                </td>
              ))}
              <td class="figure">
                {times && (
                  <button type="button" class="shape" aria-pressed={shown === key} aria-label={`Durations of ${label}`} title={`Show the duration histogram of ${label}`} onClick={() => show(key)}>
                    <Shape counts={times.counts} />
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A figure, dimmed when there is no value. */
function OptionalFigure({ text, of }: { text: string; of: number | null | undefined }) {
  return of == null ? <span class="none">{text}</span> : <>{text}</>;
}

const valuesOf = (rows: { value: string | null; events: number }[], field: string): Bar[] =>
  rows.flatMap(({ value, events }) => (value === null || events === 0 ? [] : [{ where: [isValue(field, value)], label: value, amount: events }]));

/** Architectures, and the properties that the project counts by value. */
function Properties({ project }: { project: string }) {
  const { span } = useView();
  const vocabulary = useOperation("Vocabulary", { slug: project, period: span.period });
  const names = vocabulary.data?.project.vocabulary.properties ?? [];
  return (
    <div class="grid">
      <Values project={project} title="Architectures" field="arch" by="ARCH" first={8} />
      {names.map((name) => (
        <Values key={name} project={project} title={`Property: ${name}`} field={`properties.${name}`} by="PROPERTY" property={name} first={10} />
      ))}
    </div>
  );
}

interface ValuesProps {
  project: string;
  title: string;
  /** The field in questions and filters. */
  field: string;
  by: "ARCH" | "PROPERTY";
  property?: string;
  first: number;
}

function Values({ project, title, field, by, property, first }: ValuesProps) {
  const { span, filter } = useView();
  const explore = useExploreLink(project);
  const asked = { slug: project, by, property, period: span.period, filter };
  const { ref, isDue } = useTurn(JSON.stringify(asked));
  const answer = useOperation("Breakdown", { ...asked, first }, { enabled: isDue });
  return (
    <QueryResult answer={answer} box={ref}>
      {({ project: { breakdown } }) => (
        <Bars
          title={title}
          explore={explore({ measures: ["EVENTS"], by: [splitBy(field)], ...(property === undefined ? {} : { where: [{ field, op: "EXISTS", values: [] }] }), chart: "bars" })}
          bars={valuesOf(breakdown.rows, field)}
          all={async () => valuesOf(await fetchAllValues(asked), field)}
          others={{ values: breakdown.otherValues, amount: breakdown.otherEvents }}
          unreported={property === undefined ? breakdown.rows.find(({ value }) => value === null)?.events : undefined}
        />
      )}
    </QueryResult>
  );
}
