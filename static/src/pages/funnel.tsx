import type { Data } from "../api/client.ts";
import { useOperation } from "../api/use.ts";
import { Card } from "../ui/card.tsx";
import { Icon } from "../ui/icons.tsx";
import { ReportNotes } from "../ui/report-notes.tsx";
import { barsOf } from "../ui/save.ts";
import { Splits } from "../ui/split-select.tsx";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { count, percent } from "../view/format.ts";
import { useParams } from "../view/address.ts";
import { useReportLink } from "../view/explore-link.ts";
import { type Step, eventStep, funnelOf, splitsOf, stepsOf, writeSplits, writeSteps } from "../view/reports.ts";
import { useView } from "../view/state.ts";
import { FunnelSteps } from "./funnel-steps.tsx";
import { groupLabel, splitLabel } from "./measures.ts";

const MOST = 8;
const WITHIN = [1, 24, 168, 720] as const;
const hoursText = (hours: number): string => (hours < 1 ? `${Math.round(hours * 60)} minutes` : hours % 24 === 0 ? `${hours / 24} days` : `${hours} hours`);
const HOURS: Record<number, string> = { 1: "1 hour", 24: "1 day", 168: "1 week", 720: "30 days" };

/** Funnel page: installs that complete a sequence of events. The funnel is in the address. */
export default function Funnel({ project }: { project: string }) {
  const { span, people } = useView();
  const [params, setParams] = useParams();
  const asked = funnelOf(params);
  const steps = stepsOf(params);
  const by = splitsOf(params);
  const within = asked.withinHours ?? 24;
  const choose = (next: Step[]) => setParams((changed) => writeSteps(changed, next));
  const set = (name: string, value: string) => setParams((changed) => (value ? changed.set(name, value) : changed.delete(name)));
  const common = useOperation("Breakdown", { slug: project, by: "NAME", period: span.period, first: 200 });
  const all = common.data?.project.breakdown.rows.flatMap(({ value }) => value ?? []) ?? []; // most common first
  const names = all.filter((name) => steps.every((step) => step.name !== name));
  const known = useOperation("Fields", { slug: project, period: span.period }, { refresh: () => false });
  const fields = known.data?.project.fields ?? [];
  const explore = useReportLink(project, "funnel");
  const answer = useOperation("AskFunnel", { slug: project, funnel: asked }, { enabled: steps.length > 1 });
  return (
    <>
      <div class="choose">
        <FunnelSteps project={project} fields={fields} steps={steps} change={choose} />
        {steps.length < MOST && (
          <select aria-label="Next step" value="" onChange={(event) => event.currentTarget.value && choose([...steps, eventStep(event.currentTarget.value)])}>
            <option value="">{steps.length === 0 ? "First event…" : "Then…"}</option>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
        <label class="within">
          <span class="soft">within</span>
          <select value={within} onChange={(event) => set("within", event.currentTarget.value === "24" ? "" : event.currentTarget.value)}>
            {[...new Set([...WITHIN, within])].map((hours) => (
              <option key={hours} value={hours}>
                {HOURS[hours] ?? hoursText(hours)}
              </option>
            ))}
          </select>
        </label>
        <select aria-label="Order of the steps" value={asked.ordered === false ? "any" : ""} onChange={(event) => set("order", event.currentTarget.value)}>
          <option value="">in this order</option>
          <option value="any">in any order</option>
        </select>
        <Splits fields={fields} by={by} change={(next) => setParams((changed) => writeSplits(changed, next))} />
      </div>
      {steps.length < 2 ? (
        <Card title="Funnel" wide>
          <EmptyState>{steps.length === 0 ? "Select two or more events, in the order in which they happen." : `Select the event that follows ${steps[0]?.name}.`}</EmptyState>
          <div class="suggested">
            {names.slice(0, 12).map((name) => (
              <button type="button" class="chip" key={name} onClick={() => choose([...steps, eventStep(name)])}>
                <Icon name="plus" size={13} /> <b>{name}</b>
              </button>
            ))}
          </div>
        </Card>
      ) : (
        <QueryResult answer={answer} height={320}>
          {({ project: { askFunnel } }) => (
            <div class="stack">
              <ReportNotes answer={askFunnel} what="steps" />
              <Steps total={askFunnel.total} people={people} explore={explore} />
              {by[0] && <Groups answer={askFunnel} title={`By ${by.map((split) => splitLabel(fields, split)).join(", ")}`} people={people} explore={explore} />}
            </div>
          )}
        </QueryResult>
      )}
      <p class="others">Each install counts once. A split uses the value of the first step, so an install that upgrades stays in its row.</p>
    </>
  );
}

type Answer = Data<"AskFunnel">["project"]["askFunnel"];
type Reached = Answer["total"][number];

const installsOf = (step: Reached | undefined, people: boolean): number => (step && (people ? step.people : step.all)) ?? 0;

function Steps({ total, people, explore }: { total: Reached[]; people: boolean; explore: string | undefined }) {
  const of = (step: Reached | undefined) => installsOf(step, people);
  const whole = of(total[0]);
  const table = () => ({ columns: ["step", "installs", "share of first step"], rows: total.map((step) => [step.name, of(step), whole ? of(step) / whole : 0]) });
  return (
    <Card title="Funnel" note={`${percent(whole ? of(total.at(-1)) / whole : null)} of ${people ? "people" : "installs"} complete the funnel`} table={table} picture={() => barsOf(table(), count)} explore={explore} wide>
      <ol class="steps">
        {total.map((step, place) => {
          const before = total[place - 1];
          return (
            <li class="step" key={place}>
              <span class="step-number">{place + 1}</span>
              <b>{step.name}</b>
              <span class="step-figure">
                <b>{count(of(step))}</b> <span class="soft">{percent(whole ? of(step) / whole : null)}</span>
              </span>
              <span class="step-bar">
                <i style={{ width: `${whole ? (of(step) / whole) * 100 : 0}%` }} />
              </span>
              {before && of(before) > of(step) && (
                <span class="step-lost">
                  {count(of(before) - of(step))} of {count(of(before))} dropped off ({percent((of(before) - of(step)) / of(before))})
                </span>
              )}
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

/** The funnel of each group, one row a group. */
function Groups({ answer: { rows, total }, title, people, explore }: { answer: Answer; title: string; people: boolean; explore: string | undefined }) {
  const shown = rows.filter(({ steps }) => installsOf(steps[0], people) > 0);
  const table = () => ({
    columns: ["group", ...total.map(({ name }) => name)],
    rows: shown.map((row) => [groupLabel(row), ...row.steps.map((step) => installsOf(step, people))]),
  });
  return (
    <Card title={title} table={table} explore={explore} tabular wide>
      {shown.length === 0 ? (
        <EmptyState>No install reached the first step in this period.</EmptyState>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={title}>
          <table class="single">
            <thead>
              <tr>
                <th scope="col">Group</th>
                {total.map(({ name }, place) => (
                  <th scope="col" key={place} class="figure">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.map((row) => (
                <tr key={groupLabel(row)} class={row.isOther ? "rest" : ""}>
                  <th scope="row">{groupLabel(row)}</th>
                  {row.steps.map((step, place) => {
                    const whole = installsOf(row.steps[0], people);
                    return (
                      <td class="figure" key={place}>
                        {place > 0 && <span class="soft">{percent(installsOf(step, people) / whole)}</span>} <b>{count(installsOf(step, people))}</b>
                      </td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
