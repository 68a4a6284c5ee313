import type { ComponentChildren } from "preact";
import type { Data } from "../api/client.ts";
import { useOperation } from "../api/use.ts";
import { Card } from "../ui/card.tsx";
import { FilterBar } from "../ui/filter-bar.tsx";
import { Line } from "../ui/question-line.tsx";
import { type Table, cellsOf } from "../ui/save.ts";
import { ReportNotes } from "../ui/report-notes.tsx";
import { SplitSelect, Splits } from "../ui/split-select.tsx";
import { EmptyState, QueryResult } from "../ui/states.tsx";
import { useParams } from "../view/address.ts";
import { ZONE, count, day, percent, portion } from "../view/format.ts";
import { useReportLink } from "../view/explore-link.ts";
import type { Span } from "../view/period.ts";
import { type CohortStep, cohortsOf, conditionsOf, retentionOf, splitsOf, writeConditions, writeSplits } from "../view/reports.ts";
import { useView } from "../view/state.ts";
import { groupLabel, splitLabel } from "./measures.ts";

type Cohort = Data<"Retention">["project"]["retention"][number];
type Group = Data<"AskRetention">["project"]["askRetention"]["rows"][number];

const UNITS: Record<CohortStep, string> = { DAY: "day", WEEK: "week", MONTH: "month" };
const MOST_ROWS = 12;
const MOST_STEPS = 15;

/** The period of the cohorts: at least 90 days, since a few days have no later weeks. */
const periodOf = ({ days, period }: Span) => (days < 21 ? { last: 90 } : period);

/** Retention by day, week or month, and the same by the values of fields. The question is in the address. On Explore, the period is that of the toolbar. */
export function Retention({ project, isExplore = false }: { project: string; isExplore?: boolean }) {
  const { span, people } = useView();
  const [params, change] = useParams();
  const { period, ...asked } = retentionOf(params);
  const over = cohortsOf(params);
  const by = splitsOf(params);
  const known = useOperation("Fields", { slug: project, period: span.period }, { refresh: () => false });
  const fields = known.data?.project.fields ?? [];
  const answer = useOperation("AskRetention", { slug: project, retention: { ...asked, period: isExplore ? period : periodOf(span) } });
  const explore = useReportLink(project, "retention", span.days < 21 ? "90d" : undefined);
  const conditions = (name: string, label: string, about: string) => (
    <Line label={label}>
      <FilterBar project={project} fields={fields} conditions={conditionsOf(params, name)} change={(next) => change((changed) => writeConditions(changed, name, next))} label={about} />
    </Line>
  );
  const controls = (
    <div class="choose">
      <div class="segments" role="group" aria-label="Cohorts">
        {(Object.keys(UNITS) as CohortStep[]).map((each) => (
          <button type="button" key={each} aria-pressed={each === over} onClick={() => change((next) => (each === "WEEK" ? next.delete("cohorts") : next.set("cohorts", UNITS[each])))}>
            By {UNITS[each]}
          </button>
        ))}
      </div>
      {isExplore ? (
        <Splits fields={fields} by={by} change={(next) => change((changed) => writeSplits(changed, next))} />
      ) : (
        <SplitSelect fields={fields} split={by[0] ?? null} change={(next) => change((changed) => writeSplits(changed, next ? [next] : []))} label="Split retention by" empty="No split" />
      )}
      {isExplore && (
        <div class="question-lines open">
          {conditions("start", "Begins", "The event with which an install begins")}
          {conditions("return", "Returns", "The events with which an install returns")}
        </div>
      )}
    </div>
  );
  return (
    <QueryResult answer={answer} height={300}>
      {({ project: { askRetention } }) => (
        <>
          <ReportNotes answer={askRetention} what="cohorts" />
          <Cohorts cohorts={askRetention.total.cohorts} people={people} over={over} began={(asked.start ?? []).length + (asked.return ?? []).length > 0} before={controls} explore={explore} />
          {by[0] && <Groups rows={askRetention.rows} title={`Retention by ${by.map((split) => splitLabel(fields, split)).join(", ")}`} people={people} over={over} explore={explore} />}
        </>
      )}
    </QueryResult>
  );
}

/** Weekly retention of a public dashboard. */
export function PublicRetention({ project }: { project: string }) {
  const { span, filter, people } = useView();
  const answer = useOperation("Retention", { slug: project, period: periodOf(span), filter });
  return (
    <QueryResult answer={answer} height={300}>
      {({ project: { retention } }) => <Cohorts cohorts={retention} people={people} over="WEEK" />}
    </QueryResult>
  );
}

interface HeatRow {
  label: string;
  whole: number;
  shares: (number | null)[];
  /** Installs that returned in each step. */
  active?: number[];
}

function Cohorts({ cohorts, people, over, began = false, before, explore }: { cohorts: Cohort[]; people: boolean; over: CohortStep; began?: boolean; before?: ComponentChildren; explore?: string | undefined }) {
  const unit = UNITS[over];
  const rows = cohorts
    .map(({ start, size, activeAll, activePeople }) => {
      const [whole, active] = people ? [size.people, activePeople] : [size.all, activeAll];
      return { start, label: day(start), whole, active, shares: active.map((value) => (whole ? value / whole : null)) };
    })
    .filter(({ whole }) => whole > 0)
    .slice(-MOST_ROWS);
  const table = () => ({
    columns: [`${unit} of (${ZONE})`, "installs", ...stepsOf(rows).map((step) => `${unit} ${step}`)],
    rows: rows.map(({ start, whole, active }) => [start.slice(0, 10), whole, ...active]),
  });
  const note = began ? `share of installs that began in a ${unit} and returned in later ${unit}s` : `share of installs first seen in a ${unit} that were active in later ${unit}s`;
  return <Heat title="Retention" note={note} first={`First ${unit}`} rows={rows} table={table} over={over} before={before} explore={explore} nothing={began ? "No installs began in this period." : "No installs were first seen in this period."} />;
}

/** The rates of each group over all of its cohorts. */
function Groups({ rows: groups, title, people, over, explore }: { rows: Group[]; title: string; people: boolean; over: CohortStep; explore: string | undefined }) {
  const rows = groups
    .map((group): HeatRow => ({
      label: groupLabel(group),
      whole: group.cohorts.reduce((sum, { size }) => sum + (people ? size.people : size.all), 0),
      shares: trimmed(people ? group.ratesPeople : group.ratesAll),
    }))
    .filter(({ whole }) => whole > 0);
  const table = () => ({ columns: ["group", "installs", ...stepsOf(rows).map((step) => `${UNITS[over]} ${step}`)], rows: rows.map(({ label, whole, shares }) => [label, whole, ...shares]) });
  return <Heat title={title} note="over all cohorts; each install is in the group of its first event" first="Group" rows={rows} table={table} over={over} explore={explore} nothing="No installs were first seen in this period." />;
}

/** Removes the unknown rates at the end. */
const trimmed = (rates: (number | null)[]): (number | null)[] => rates.slice(0, rates.findLastIndex((rate) => rate !== null) + 1);

/** Numbers of the steps after the first one. */
const stepsOf = (rows: HeatRow[]): number[] => Array.from({ length: Math.min(MOST_STEPS, Math.max(0, ...rows.map(({ shares }) => shares.length))) }, (_, step) => step);

interface HeatProps {
  title: string;
  note: string;
  /** Heading of the rows. */
  first: string;
  rows: HeatRow[];
  table: () => Table;
  over: CohortStep;
  before?: ComponentChildren;
  explore?: string | undefined;
  nothing: string;
}

/** Shares by row and step, darker for larger ones. */
function Heat({ title, note, first, rows, table, over, before, explore, nothing }: HeatProps) {
  const unit = UNITS[over];
  const steps = stepsOf(rows);
  const picture = () => cellsOf(rows.map(({ label, whole, shares }) => ({ label: `${label} · ${whole}`, shares: shares.slice(0, MOST_STEPS) })), percent);
  return (
    <Card title={title} note={note} table={table} picture={picture} explore={explore} wide>
      {before}
      {rows.length === 0 ? (
        <EmptyState>{nothing}</EmptyState>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={title === "Retention" ? "Cohorts" : title}>
          <table class="heat">
            <thead>
              <tr>
                <th scope="col">{first}</th>
                <th scope="col" class="figure">
                  Installs
                </th>
                {steps.map((step) => (
                  <th scope="col" class="cell" key={step}>
                    {step === 0 ? `${unit.charAt(0).toUpperCase()}${unit.slice(1)} 0` : `+${step}`}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ label, whole, active, shares }) => (
                <tr key={label}>
                  <th scope="row">{label}</th>
                  <td class="figure">{count(whole)}</td>
                  {shares.slice(0, MOST_STEPS).map((share, step) => (
                    <td class="cell" key={step} style={shade(share ?? 0)} title={active && `${count(active[step])} of ${count(whole)}`}>
                      {portion(share)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

const shade = (share: number) => ({
  // At most 42%, so that the figure stays readable.
  background: `color-mix(in srgb, var(--accent) ${Math.round(3 + 39 * share)}%, var(--raised))`,
});
