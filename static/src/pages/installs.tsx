import { useOperation } from "../api/use.ts";
import { Chart } from "../charts/chart.tsx";
import { Card } from "../ui/card.tsx";
import { cellsOf } from "../ui/save.ts";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { COUNTS, ZONE, count, day, percent, portion } from "../view/format.ts";
import { useView } from "../view/state.ts";
import type { Data } from "../api/client.ts";
import { InstallList } from "./install-list.tsx";

const WEEKS = 12;

/** Installs page: new and returning installs, versions and retention. */
export default function Installs({ project }: { project: string }) {
  const { span, filter, people } = useView();
  const { reads } = useAccount();
  const step = span.step === "HOUR" ? "DAY" : span.step;
  const common = { slug: project, period: span.period, filter };
  const active = useOperation("ActiveUsers", { ...common, step });
  const versions = useOperation("Versions", { ...common, step, first: 7 });
  const cohorts = useOperation("Retention", { slug: project, period: span.days < 21 ? { last: 90 } : span.period, filter });
  return (
    <>
      <QueryResult answer={active} height={560}>
        {({ project: { activeUsers: by, newAndReturning: each } }) => (
          <div class="charts even">
            <Chart
              title="New and returning"
              starts={each.starts}
              step={step}
              measure={COUNTS}
              stacked
              lines={[
                { label: "Returning", values: people ? each.returningPeople : each.returningAll, color: "c2" },
                { label: "New", values: people ? each.newPeople : each.newAll, color: "c3" },
              ]}
            />
            <Chart
              title="Active in 1, 7 and 30 days"
              starts={by.starts}
              step="DAY"
              measure={COUNTS}
              note={<Stickiness values={people ? by.stickinessPeople : by.stickinessAll} />}
              lines={[
                { label: "30 days", values: people ? by.monthlyPeople : by.monthlyAll, color: "c4" },
                { label: "7 days", values: people ? by.weeklyPeople : by.weeklyAll, color: "c3" },
                { label: "1 day", values: people ? by.dailyPeople : by.dailyAll, color: "accent" },
              ]}
            />
          </div>
        )}
      </QueryResult>
      <QueryResult answer={versions} height={300}>
        {({ project: { versions: adoption } }) => (
          <Chart
            title="Versions over time"
            starts={adoption.starts}
            step={step}
            measure={COUNTS}
            stacked
            note="active installs by the last version of each; shows the newest, the most used and the most failing"
            lines={adoption.versions.map(({ version, all, people: some, failureRate, standsOut }, place) => ({
              label: version === null ? "Others" : standsOut ? `${version} (${percent(failureRate)} fail)` : version,
              values: people ? some : all,
              color: version === null ? "c8" : `c${(place % 7) + 1}`,
            }))}
          />
        )}
      </QueryResult>
      <QueryResult answer={cohorts} height={300}>
        {({ project: { retention } }) => <Cohorts cohorts={retention} people={people} />}
      </QueryResult>
      {reads && <InstallList project={project} />}
    </>
  );
}

function Stickiness({ values }: { values: (number | null)[] }) {
  const last = values.slice(0, Math.max(1, values.length - 1)).findLast((value) => value !== null); // the last day may be incomplete
  return last == null ? null : <>{percent(last)} of monthly installs are active on a day</>;
}

function Cohorts({ cohorts, people }: { cohorts: Data<"Retention">["project"]["retention"]; people: boolean }) {
  const rows = cohorts
    .map(({ start, size, activeAll, activePeople }) => {
      const [whole, active] = people ? [size.people, activePeople] : [size.all, activeAll];
      return { start, whole, active, shares: active.map((value) => (whole ? value / whole : null)) };
    })
    .filter(({ whole }) => whole > 0)
    .slice(-WEEKS);
  const weeks = Math.max(0, ...rows.map(({ shares }) => shares.length));
  const table = () => ({
    columns: [`week of (${ZONE})`, "installs", ...Array.from({ length: weeks }, (_, week) => `week ${week}`)],
    rows: rows.map(({ start, whole, active }) => [start.slice(0, 10), whole, ...active]),
  });
  const picture = () => cellsOf(rows.map(({ start, whole, shares }) => ({ label: `${day(start)} · ${whole}`, shares })), percent);
  return (
    <Card title="Retention" note="share of installs first seen in a week that were active in later weeks" table={table} picture={picture} wide>
      {rows.length === 0 ? (
        <EmptyState>No installs were first seen in this period.</EmptyState>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Weeks">
          <table class="heat">
            <thead>
              <tr>
                <th scope="col">First week</th>
                <th scope="col" class="figure">
                  Installs
                </th>
                {Array.from({ length: weeks }, (_, week) => (
                  <th scope="col" class="cell" key={week}>
                    {week === 0 ? "Week 0" : `+${week}`}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ start, whole, active, shares }) => (
                <tr key={start}>
                  <th scope="row">{day(start)}</th>
                  <td class="figure">{count(whole)}</td>
                  {shares.map((share, week) => (
                    <td class="cell" key={week} style={shade(share ?? 0)} title={`${count(active[week])} of ${count(whole)}`}>
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
