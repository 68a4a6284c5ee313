import { useOperation } from "../api/use.ts";
import { Card } from "../ui/card.tsx";
import { Icon } from "../ui/icons.tsx";
import { barsOf } from "../ui/save.ts";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { count, percent } from "../view/format.ts";
import { useParams } from "../view/address.ts";
import { useView } from "../view/state.ts";

const MOST = 8;
const WITHIN = [1, 24, 168, 720] as const;
const HOURS: Record<number, string> = { 1: "1 hour", 24: "1 day", 168: "1 week", 720: "30 days" };

/** Funnel page: installs that complete a sequence of events. The steps are in the address. */
export default function Funnel({ project }: { project: string }) {
  const { span, filter, people } = useView();
  const [params, setParams] = useParams();
  const steps = params.getAll("step");
  const within = WITHIN.find((hours) => String(hours) === params.get("within")) ?? 24;
  const choose = (next: string[], hours: number = within) =>
    setParams((changed) => {
      changed.delete("step");
      for (const step of next) changed.append("step", step);
      if (hours === 24) changed.delete("within");
      else changed.set("within", String(hours));
    });
  const common = useOperation("Breakdown", { slug: project, by: "NAME", period: span.period, first: 200 });
  const names = common.data?.project.breakdown.rows.flatMap(({ value }) => value ?? []) ?? []; // most common first
  const answer = useOperation("Funnel", { slug: project, names: steps, withinHours: within, period: span.period, filter }, { enabled: steps.length > 1 });
  return (
    <>
      <div class="choose">
        {steps.map((step, place) => (
          <button type="button" class="chip" key={`${step} ${place}`} onClick={() => choose(steps.filter((_, other) => other !== place))}>
            {place + 1}. <b>{step}</b> <span class="sr">: remove</span> <Icon name="close" size={13} />
          </button>
        ))}
        {steps.length < MOST && (
          <select aria-label="Next step" value="" onChange={(event) => event.currentTarget.value && choose([...steps, event.currentTarget.value])}>
            <option value="">{steps.length === 0 ? "First event…" : "Then…"}</option>
            {names
              .filter((name) => !steps.includes(name))
              .map((name) => (
                <option key={name}>{name}</option>
              ))}
          </select>
        )}
        <label class="within">
          <span class="soft">within</span>
          <select value={within} onChange={(event) => choose(steps, Number(event.currentTarget.value))}>
            {WITHIN.map((hours) => (
              <option key={hours} value={hours}>
                {HOURS[hours]}
              </option>
            ))}
          </select>
        </label>
      </div>
      {steps.length < 2 ? (
        <Card title="Funnel" wide>
          <EmptyState>{steps.length === 0 ? "Select two or more events, in the order in which they happen." : `Select the event that follows ${steps[0]}.`}</EmptyState>
          <div class="suggested">
            {names
              .filter((name) => !steps.includes(name))
              .slice(0, 12)
              .map((name) => (
                <button type="button" class="chip" key={name} onClick={() => choose([...steps, name])}>
                  <Icon name="plus" size={13} /> <b>{name}</b>
                </button>
              ))}
          </div>
        </Card>
      ) : (
        <QueryResult answer={answer} height={320}>
          {({ project: { funnel } }) => {
            const of = ({ installs }: (typeof funnel)[number]) => (people ? installs.people : installs.all);
            const [first] = funnel;
            const whole = first ? of(first) : 0;
            const [last] = funnel.slice(-1);
            const table = () => ({ columns: ["step", "installs", "share of first step"], rows: funnel.map((step) => [step.name, of(step), whole ? of(step) / whole : 0]) });
            return (
              <Card title="Funnel" note={`${percent(last && whole ? of(last) / whole : null)} of ${people ? "people" : "installs"} complete the funnel`} table={table} picture={() => barsOf(table(), count)} wide>
                <ol class="steps">
                  {funnel.map((step, place) => {
                    const before = funnel[place - 1];
                    return (
                      <li class="step" key={step.name}>
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
          }}
        </QueryResult>
      )}
      <p class="others">Funnels are computed from raw events within the retention period. Each install counts once, from its first start.</p>
    </>
  );
}
