import type { Data } from "../api/client.ts";
import { useOperation, useChange } from "../api/use.ts";
import { Chart } from "../charts/chart.tsx";
import { Bars } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { FormError } from "../ui/form.tsx";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { COUNTS, ago, bytes, count, day, plural, moment, percent, toLabel } from "../view/format.ts";
import { useView } from "../view/state.ts";

/** Health page: the ingest ledger, rejected requests, and the server's state. */
export default function Health({ project }: { project: string }) {
  const { span } = useView();
  const { me } = useAccount();
  const answer = useOperation("Ledger", { slug: project, period: span.period, first: 20 });
  return (
    <>
      <QueryResult answer={answer} height={500}>
        {({ project: { ledger, overview, rejected, limitedAddresses } }) => (
          <>
            <LedgerTotals ledger={ledger} occurred={overview.events.value ?? 0} />
            <div class="charts even">
              <Chart
                title="Received events by result"
                starts={ledger.starts}
                step="DAY"
                measure={COUNTS}
                stacked
                whole
                lines={[...notStored(ledger), { label: "Stored", values: ledger.stored, color: "c2" }]}
              />
              <Chart title="Events not stored" starts={ledger.starts} step="DAY" measure={COUNTS} stacked whole lines={notStored(ledger)} />
            </div>
            <div class="grid">
              <Bars title="Reasons" note="events" nothing="No events in this period have a reason." bars={ledger.reasons.map(({ entry, reason, events }) => ({ where: null, label: toLabel(reason), kind: toLabel(entry), amount: events }))} />
              <Bars
                title="Limited addresses"
                note="hashed; the hash changes daily"
                total={ledger.limited.reduce((sum, events) => sum + events, 0)}
                nothing="No addresses were limited."
                bars={limitedAddresses.map(({ address, start, events }) => ({ where: null, label: address, kind: day(start), amount: events }))}
              />
            </div>
            <Rejected of={rejected} slug={project} />
          </>
        )}
      </QueryResult>
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

function LedgerTotals({ ledger, occurred }: { ledger: Page["ledger"]; occurred: number }) {
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
      This page counts events by arrival, unfiltered: {count(stored)} stored. Other pages count events by the day they occurred: {count(occurred)} in this period.{" "}
      {stored === occurred ? "" : "The difference is events that arrived late, were imported, or were erased."}
    </p>
    <div class="figures">
      {parts.map(([label, value]) => (
        <div class="figure-card" key={label}>
          <h2>{label}</h2>
          <p class="big">{count(value)}</p>
          <p class="change">
            <span class="soft">{label === "Received" ? "total" : received ? percent(value / received) : ""}</span>
            {label === "Opted out" && (
              <span class="soft" title="Sent with `DNT: 1` or `Sec-GPC: 1`. Users who opt out in a command-line tool send nothing and are not counted.">
                {" "}· by header
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
  const result = replay.data?.replayRejected;
  return (
    <Card title="Recently rejected" note="kept for 7 days, identifiers masked" wide>
      {changes && (waiting > 0 || result) && (
        <p class="choose">
          {waiting > 0 && (
            <button type="button" class="button" disabled={replay.isPending} onClick={() => replay.mutate({ slug })}>
              Replay
            </button>
          )}
          {result && (
            <span role="status">
              {count(result.stored)} stored, {count(result.duplicates)} duplicates, {count(result.refused)} rejected again
            </span>
          )}
          <FormError error={replay.error} />
        </p>
      )}
      {of.length === 0 ? (
        <EmptyState>No events were rejected in the last 7 days.</EmptyState>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Rejected events">
          <table class="single">
            <thead>
              <tr>
                {["Time", "Route", "Format", "Reason", "Error", "Payload"].map((name) => (
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
                  <td>{toLabel(reason)}</td>
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
  const answer = useOperation("ServerHealth", {});
  return (
    <QueryResult answer={answer} height={300}>
      {({ server, jobs }) => (
        <div class="grid">
          <Card title="Server" note={`Footfall ${server.version}`}>
            <ul class="rows">
              <li>
                <div>
                  Writable <span class={server.writable ? "row-figure good" : "row-figure bad"}>{server.writable ? "yes" : "no"}</span>
                </div>
              </li>
              <li>
                <div>
                  Database <span class="row-figure">{{ SQLITE: "SQLite", POSTGRES: "PostgreSQL" }[server.engine]}</span>
                </div>
              </li>
              <li>
                <div>
                  Size <span class="row-figure">{bytes(server.bytes)}</span>
                </div>
              </li>
              <li>
                <div>
                  Events waiting for commit <span class="row-figure">{count(server.queued)}</span>
                </div>
              </li>
              <li>
                <div>
                  Raw event retention <span class="row-figure">{plural(server.retentionDays, "day")}</span>
                </div>
              </li>
            </ul>
          </Card>
          <Card title="Jobs" note="run automatically">
            <ul class="rows">
              {jobs.map(({ name, about, startedAt, result, detail }) => (
                <li key={name}>
                  <div class="job" title={about}>
                    <b>{toLabel(name)}</b>
                    <span class={result === "FAILED" ? "row-figure bad" : "row-figure soft"}>
                      {result === "FAILED" ? "failed " : ""}
                      {startedAt ? ago(startedAt) : "not run yet"}
                    </span>
                    <span class="soft">{detail}</span>
                  </div>
                </li>
              ))}
            </ul>
          </Card>
        </div>
      )}
    </QueryResult>
  );
}
