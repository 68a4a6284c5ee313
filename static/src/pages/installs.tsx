import { useOperation } from "../api/use.ts";
import { Chart } from "../charts/chart.tsx";
import { QueryResult } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { COUNTS, percent } from "../view/format.ts";
import { useExploreLink } from "../view/explore-link.ts";
import { useView } from "../view/state.ts";
import { InstallList } from "./install-list.tsx";
import { PublicRetention, Retention } from "./retention.tsx";

/** Installs page: new and returning installs, versions and retention. */
export default function Installs({ project }: { project: string }) {
  const { span, filter, people } = useView();
  const { reads } = useAccount();
  const explore = useExploreLink(project);
  const step = span.step === "HOUR" ? "DAY" : span.step;
  const common = { slug: project, period: span.period, filter };
  const active = useOperation("ActiveUsers", { ...common, step });
  const versions = useOperation("Versions", { ...common, step, first: 7 });
  return (
    <>
      <QueryResult answer={active} height={560}>
        {({ project: { activeUsers: by, newAndReturning: each } }) => (
          <div class="charts even">
            <Chart
              title="New and returning"
              explore={explore({ measures: ["INSTALLS", "NEW_INSTALLS"], over: step })}
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
              explore={explore({ measures: ["INSTALLS"], over: "DAY" })}
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
            note="active installs by the last version of each; shows the newest and most used versions, and those that fail most"
            lines={adoption.versions.map(({ version, all, people: some, failureRate, standsOut }, place) => ({
              label: version === null ? "Others" : standsOut ? `${version} (${percent(failureRate)} fail)` : version,
              values: people ? some : all,
              color: version === null ? "c8" : `c${(place % 7) + 1}`,
            }))}
          />
        )}
      </QueryResult>
      {reads ? <Retention project={project} /> : <PublicRetention project={project} />}
      {reads && <InstallList project={project} />}
    </>
  );
}

function Stickiness({ values }: { values: (number | null)[] }) {
  const last = values.slice(0, Math.max(1, values.length - 1)).findLast((value) => value !== null); // the last day may be incomplete
  return last == null ? null : <>{percent(last)} of monthly installs are active on a day</>;
}
