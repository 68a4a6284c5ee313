import type { Data } from "../api/client.ts";
import { useAsk, useChange } from "../api/use.ts";
import { Chart } from "../charts/chart.tsx";
import { Bars } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { FormError } from "../ui/form.tsx";
import { Answered, Nothing } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { COUNTS, ago, bytes, count, day, many, moment, percent, words } from "../view/format.ts";
import { useView } from "../view/state.ts";

/** Where everything went that arrived, and how the server is doing. */
export default function Health({ project }: { project: string }) {
  const { span } = useView();
  const { me } = useAccount();
  const answer = useAsk("Ledger", { slug: project, period: span.period, first: 20 });
  return (
    <>
      <Answered answer={answer} height={500}>
        {({ project: { ledger, overview, rejected, limitedAddresses } }) => (
          <>
            <Sums ledger={ledger} occurred={overview.events.value ?? 0} />
            <div class="charts even">
              <Chart
                title="Where everything went"
                starts={ledger.starts}
                step="DAY"
                measure={COUNTS}
                stacked
                lines={[...notStored(ledger), { label: "Stored", values: ledger.stored, color: "c2" }]}
              />
              <Chart title="What was not stored" starts={ledger.starts} step="DAY" measure={COUNTS} stacked lines={notStored(ledger)} />
            </div>
            <div class="grid">
              <Bars title="Why" note="what was not stored" nothing="Nothing was turned away." bars={ledger.reasons.map(({ entry, reason, events }) => ({ value: null, label: words(reason), kind: words(entry), amount: events }))} />
              <Bars
                title="Limited addresses"
                note="a hash, another one each day"
                total={ledger.limited.reduce((sum, events) => sum + events, 0)}
                nothing="No address was limited."
                bars={limitedAddresses.map(({ address, start, events }) => ({ value: null, label: address, kind: day(start), amount: events }))}
              />
            </div>
            <Rejected of={rejected} slug={project} />
          </>
        )}
      </Answered>
      {me?.allProjects && <Server />}
    </>
  );
}

type Page = Data<"Ledger">["project"];

const notStored = (ledger: Page["ledger"]) => [
  { label: "Rejected", values: ledger.rejected, color: "bad" },
  { label: "Limited", values: ledger.limited, color: "c3" },
  { label: "Opted out", values: ledger.optedOut, color: "c4" },
  { label: "Duplicates", values: ledger.duplicates, color: "c8" },
];

function Sums({ ledger, occurred }: { ledger: Page["ledger"]; occurred: number }) {
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const received = sum(ledger.received);
  const parts: [string, number][] = [
    ["Received", received],
    ["Stored", sum(ledger.stored)],
    ["Duplicates", sum(ledger.duplicates)],
    ["Rejected", sum(ledger.rejected)],
    ["Limited", sum(ledger.limited)],
    ["Opted out", sum(ledger.optedOut)],
  ];
  const stored = sum(ledger.stored);
  return (
    <>
    <p class="soft explained">
      Counted on the day of arrival, whatever is filtered: {count(stored)} stored. The other pages count events on the day they occurred: {count(occurred)} in this period.{" "}
      {stored === occurred ? "" : "The two differ by events that arrived late, were imported, or were erased."}
    </p>
    <div class="figures">
      {parts.map(([label, value]) => (
        <div class="figure-card" key={label}>
          <h2>{label}</h2>
          <p class="big">{count(value)}</p>
          <p class="change">
            <span class="soft">{label === "Received" ? "the sum of the others" : received ? percent(value / received) : ""}</span>
            {label === "Opted out" && (
              <span class="soft" title="Sent with DNT: 1 or Sec-GPC: 1. Users who opt out of a command-line tool send nothing, and are in no count.">
                by browser header
              </span>
            )}
          </p>
        </div>
      ))}
    </div>
    </>
  );
}

function Rejected({ of, slug }: { of: Page["rejected"]; slug: string }) {
  const { changes } = useAccount();
  const replay = useChange("ReplayRejected");
  const waiting = of.filter(({ replayable }) => replayable).length;
  const told = replay.data?.replayRejected;
  return (
    <Card title="Refused lately" note="kept for a week, with identifiers masked" wide>
      {changes && (waiting > 0 || told) && (
        <p class="choose">
          {waiting > 0 && (
            <button type="button" class="button" disabled={replay.isPending} onClick={() => replay.mutate({ slug })}>
              Replay them
            </button>
          )}
          {told && (
            <span role="status">
              {count(told.stored)} stored, {count(told.duplicates)} known already, {count(told.refused)} refused again
            </span>
          )}
          <FormError error={replay.error} />
        </p>
      )}
      {of.length === 0 ? (
        <Nothing>Nothing was refused.</Nothing>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Refused events">
          <table class="single">
            <thead>
              <tr>
                {["When", "Where", "Client", "Why", "What is wrong", "What was sent"].map((name) => (
                  <th scope="col" key={name}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {of.map(({ id, at, route, dialect, reason, errors, excerpt }) => (
                <tr key={id}>
                  <td title={moment(at)}>{ago(at)}</td>
                  <td class="mono">{route}</td>
                  <td>{dialect}</td>
                  <td>{words(reason)}</td>
                  <td>
                    {errors.map(({ path, message }) => (
                      <div key={path}>
                        <code>{path}</code> {message}
                      </div>
                    ))}
                  </td>
                  <td class="mono soft rest" title={excerpt}>
                    {excerpt}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function Server() {
  const answer = useAsk("ServerHealth", {});
  return (
    <Answered answer={answer} height={300}>
      {({ server, jobs }) => (
        <div class="grid">
          <Card title="Server" note={`Footfall ${server.version}`}>
            <ul class="rows">
              <li>
                <div>
                  Takes writes <span class={server.writable ? "row-figure good" : "row-figure bad"}>{server.writable ? "yes" : "no"}</span>
                </div>
              </li>
              <li>
                <div>
                  Store <span class="row-figure">{{ SQLITE: "SQLite", POSTGRES: "PostgreSQL" }[server.engine]}</span>
                </div>
              </li>
              <li>
                <div>
                  Size <span class="row-figure">{bytes(server.bytes)}</span>
                </div>
              </li>
              <li>
                <div>
                  Waiting for their commit <span class="row-figure">{count(server.queued)}</span>
                </div>
              </li>
              <li>
                <div>
                  Raw events are kept <span class="row-figure">{many(server.retentionDays, "day")}</span>
                </div>
              </li>
            </ul>
          </Card>
          <Card title="Jobs" note="run by themselves">
            <ul class="rows">
              {jobs.map(({ name, about, startedAt, result, detail }) => (
                <li key={name}>
                  <div class="job" title={about}>
                    <b>{words(name)}</b>
                    <span class={result === "FAILED" ? "row-figure bad" : "row-figure soft"}>
                      {result === "FAILED" ? "failed " : ""}
                      {startedAt ? ago(startedAt) : "not yet"}
                    </span>
                    <span class="soft">{detail}</span>
                  </div>
                </li>
              ))}
            </ul>
          </Card>
        </div>
      )}
    </Answered>
  );
}
