import type { Data } from "../api/client.ts";
import { useOperation } from "../api/use.ts";
import { Card } from "../ui/card.tsx";
import { FilterBar } from "../ui/filter-bar.tsx";
import { Line } from "../ui/question-line.tsx";
import { ReportNotes } from "../ui/report-notes.tsx";
import { Splits } from "../ui/split-select.tsx";
import { EmptyState, QueryResult } from "../ui/states.tsx";
import { useParams } from "../view/address.ts";
import { isValue } from "../view/conditions.ts";
import { count, percent } from "../view/format.ts";
import { LONGEST_PATH, conditionsOf, pathsOf, splitsOf, writeConditions, writeSplits } from "../view/reports.ts";
import { useView } from "../view/state.ts";
import { groupLabel, splitLabel } from "./measures.ts";

const LENGTHS = Array.from({ length: LONGEST_PATH }, (_, place) => place + 1);

/** Paths: the events that follow or precede a chosen one. The question is in the address. */
export function Paths({ project }: { project: string }) {
  const { span, people } = useView();
  const [params, change] = useParams();
  const asked = pathsOf(params);
  const event = conditionsOf(params, "event");
  const by = splitsOf(params);
  const set = (name: string, value: string) => change((next) => (value ? next.set(name, value) : next.delete(name)));
  const known = useOperation("Fields", { slug: project, period: span.period }, { refresh: () => false });
  const fields = known.data?.project.fields ?? [];
  const common = useOperation("Breakdown", { slug: project, by: "NAME", period: span.period, first: 200 });
  const names = common.data?.project.breakdown.rows.flatMap(({ value }) => value ?? []) ?? []; // most common first
  const answer = useOperation("AskPaths", { slug: project, paths: asked }, { enabled: event.length > 0 });
  const choose = (conditions: typeof event) => change((next) => writeConditions(next, "event", conditions));
  return (
    <>
      <div class="question-lines open">
        <Line label="Event">
          <FilterBar project={project} fields={fields} conditions={event} change={choose} label="The chosen event" />
        </Line>
        <Line label="Show">
          <div class="segments" role="group" aria-label="Direction">
            {(["", "before"] as const).map((each) => (
              <button type="button" key={each} aria-pressed={(asked.direction === "BEFORE") === (each === "before")} onClick={() => set("direction", each)}>
                {each ? "Before" : "After"}
              </button>
            ))}
          </div>
          <select class="small" aria-label="Events of a path" value={asked.length ?? 3} onChange={({ currentTarget }) => set("length", currentTarget.value === "3" ? "" : currentTarget.value)}>
            {LENGTHS.map((length) => (
              <option key={length} value={length}>
                {length === 1 ? "1 event" : `${length} events`}
              </option>
            ))}
          </select>
          <select class="small" aria-label="Within" value={asked.within === "DAY" ? "day" : ""} onChange={({ currentTarget }) => set("within", currentTarget.value)}>
            <option value="">in the same session</option>
            <option value="day">on the same day</option>
          </select>
        </Line>
        <Line label="By">
          <Splits fields={fields} by={by} change={(next) => change((changed) => writeSplits(changed, next))} />
        </Line>
      </div>
      {event.length === 0 ? (
        <Card title="Paths" wide>
          <EmptyState>Select the event at which paths begin or end.</EmptyState>
          <div class="suggested">
            {names.slice(0, 12).map((name) => (
              <button type="button" class="chip" key={name} onClick={() => choose([isValue("name", name)])}>
                <b>{name}</b>
              </button>
            ))}
          </div>
        </Card>
      ) : (
        <QueryResult answer={answer} height={320}>
          {({ project: { askPaths } }) => (
            <div class="stack">
              <ReportNotes answer={askPaths} what="paths" />
              <PathTable answer={askPaths} heads={by.map((split) => splitLabel(fields, split))} people={people} isBefore={asked.direction === "BEFORE"} />
            </div>
          )}
        </QueryResult>
      )}
      <p class="others">A path lists consecutive events of one install. It is shorter if the session or the day ends.</p>
    </>
  );
}

type Answer = Data<"AskPaths">["project"]["askPaths"];
type Path = Answer["total"]["paths"][number];

function nameOf({ names, isOther }: Path, isBefore: boolean): string {
  if (isOther) return "(other)";
  return names.length > 0 ? names.join(" → ") : isBefore ? "(nothing precedes)" : "(nothing follows)";
}

/** The paths, of each group if there is a split. */
function PathTable({ answer: { rows, total }, heads, people, isBefore }: { answer: Answer; heads: string[]; people: boolean; isBefore: boolean }) {
  const groups = heads.length > 0 ? rows.map((row) => ({ label: groupLabel(row), ...row })) : [{ label: null, ...total }];
  const lines = groups.flatMap(({ label, counts, paths }) => {
    const whole = people ? counts.eventsPeople : counts.eventsAll;
    return paths
      .map((path) => {
        const events = people ? path.counts.eventsPeople : path.counts.eventsAll;
        return { label, path, events, share: whole ? events / whole : null, installs: people ? path.counts.installsPeople : path.counts.installsAll };
      })
      .filter(({ events }) => events > 0);
  });
  const columns = [...(heads.length > 0 ? [heads.join(", ")] : []), "path", "events", "share", "installs"];
  const table = () => ({ columns, rows: lines.map(({ label, path, events, share, installs }) => [...(label === null ? [] : [label]), nameOf(path, isBefore), events, share, installs]) });
  return (
    <Card title="Paths" table={table} tabular wide>
      {lines.length === 0 ? (
        <EmptyState>No event in this period meets the conditions.</EmptyState>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="List of paths">
          <table class="single">
            <thead>
              <tr>
                {heads.length > 0 && <th scope="col">{heads.join(", ")}</th>}
                <th scope="col">Path</th>
                <th scope="col" class="figure">
                  Events
                </th>
                <th scope="col" class="figure">
                  Share
                </th>
                <th scope="col" class="figure">
                  Installs
                </th>
              </tr>
            </thead>
            <tbody>
              {lines.map(({ label, path, events, share, installs }) => (
                <tr key={`${label} ${nameOf(path, isBefore)}`} class={path.isOther ? "rest" : ""}>
                  {label !== null && <td>{label}</td>}
                  <th scope="row">{nameOf(path, isBefore)}</th>
                  <td class="figure">{count(events)}</td>
                  <td class="figure">
                    <span class="soft">{percent(share)}</span>
                  </td>
                  <td class="figure">{count(installs)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
