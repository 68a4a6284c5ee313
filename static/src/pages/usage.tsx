import { useState } from "preact/hooks";
import type { Data } from "../api/client.ts";
import { useAsk } from "../api/use.ts";
import { Card } from "../ui/card.tsx";
import { barsOf } from "../ui/save.ts";
import { Answered, Nothing } from "../ui/states.tsx";
import { count, duration, percent } from "../view/format.ts";
import { type FilterName, targetText, useView } from "../view/state.ts";

type Page = Data<"Usage">["project"];
type Timed = Page["byName"]["groups"][number];

/** What people do with the tool, whether it works, and how long it takes. */
export default function Usage({ project }: { project: string }) {
  const { span, filter } = useView();
  const answer = useAsk("Usage", { slug: project, period: span.period, filter, first: 20 });
  return (
    <Answered answer={answer} height={600}>
      {({ project: page }) => (
        <div class="stack">
          <Part title="Commands and other events" counted={page.names} timed={page.byName.groups} by="name" />
          <Part title="Tools and targets" counted={page.tools} timed={page.byTool.groups} by="target" />
        </div>
      )}
    </Answered>
  );
}

const COLUMNS = ["", "Events", "Succeed", "p50", "p75", "p95", "p99"];

function Part({ title, counted, timed, by }: { title: string; counted: Page["names"]; timed: Timed[]; by: FilterName }) {
  const { filters, pick } = useView();
  const [shown, setShown] = useState<string | null>(null);
  const rows = counted.rows.flatMap((row) => {
    if (row.value === null) return [];
    const key = by === "target" ? targetText(row.targetType, row.value) : row.value;
    const times = timed.find((each) => each.label === row.value && (by === "name" || each.targetType === row.targetType));
    return [{ ...row, label: row.value, key, times }];
  });
  const histogram = rows.find(({ key }) => key === shown)?.times ?? rows.find(({ times }) => times)?.times;
  const table = () => ({
    columns: [title, "events", "successes", "failures", "p50 ms", "p75 ms", "p95 ms", "p99 ms"],
    rows: rows.map(({ label, events, successes, failures, times }) => {
      const at = times?.percentiles;
      return [label, events, successes, failures, at?.p50, at?.p75, at?.p95, at?.p99];
    }),
  });
  return (
    <Card title={title} note="counts, success, durations" table={table} picture={() => barsOf(table(), count)} wide>
      {rows.length === 0 ? (
        <Nothing>Nothing in this period.</Nothing>
      ) : (
        <>
          <div class="scroll" tabIndex={0} role="region" aria-label={title}>
            <table>
              <thead>
                <tr>
                  {COLUMNS.map((name) => (
                    <th scope="col" key={name} class={name ? "figure" : ""}>
                      {name || <span class="sr">Name</span>}
                    </th>
                  ))}
                  <th scope="col">
                    <span class="sr">Histogram</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {rows.map(({ key, label, targetType, events, successRate, times }) => (
                  <tr key={key} class={filters[by] === key ? "picked" : ""}>
                    <td>
                      <button type="button" class="pick" aria-pressed={filters[by] === key} onClick={() => pick(by, filters[by] === key ? null : key)}>
                        {label}
                      </button>{" "}
                      {targetType && <span class="soft">{targetType}</span>}
                    </td>
                    <td class="figure">{count(events)}</td>
                    <td class="figure">{successRate !== null && successRate < 0.9 ? <b class="bad">{percent(successRate)}</b> : percent(successRate)}</td>
                    <td class="figure">{duration(times?.percentiles.p50)}</td>
                    <td class="figure">{duration(times?.percentiles.p75)}</td>
                    <td class="figure">{duration(times?.percentiles.p95)}</td>
                    <td class="figure">{duration(times?.percentiles.p99)}</td>
                    <td class="figure">
                      {times && (
                        <button type="button" class="link" aria-pressed={times === histogram} onClick={() => setShown(key)}>
                          {times === histogram ? "shown below" : "how it spreads"}
                        </button>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {counted.otherValues > 0 && (
            <p class="others">
              and {count(counted.otherValues)} more with {count(counted.otherEvents)} events
            </p>
          )}
          {histogram && <Histogram of={histogram} />}
        </>
      )}
    </Card>
  );
}

/** How the durations of one thing spread: a bar for each range, wider ranges where durations are longer. */
function Histogram({ of: { label, edges, counts, timed, mean } }: { of: Timed }) {
  const most = Math.max(1, ...counts);
  return (
    <figure>
      <h3>
        How long {label} takes <span class="soft">· {count(timed)} times, {duration(mean)} on average</span>
      </h3>
      <div class="histogram" role="img" aria-label={`Durations of ${label}, from ${duration(edges[0])} to ${duration(edges.at(-1))}`}>
        {counts.map((value, place) => (
          <span
            key={place}
            style={{ height: `${(value / most) * 100}%` }}
            title={`${duration(edges[place])} to ${duration(edges[place + 1])}: ${count(value)}`}
          />
        ))}
      </div>
      <div class="histogram-ends">
        <span>{duration(edges[0])}</span>
        <span>{duration(edges[Math.floor(edges.length / 2)])}</span>
        <span>{duration(edges.at(-1))}</span>
      </div>
    </figure>
  );
}
