import type { ComponentChildren } from "preact";
import { Link, useLocation } from "wouter-preact";
import type { Data } from "../api/client.ts";
import { useOperation } from "../api/use.ts";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { ORIGIN } from "../view/base.ts";
import { moment, toLabel } from "../view/format.ts";

type Event = Data<"Events">["project"]["events"]["nodes"][number];

/** The first event of a project with next steps, shown until the reader dismisses it. */
export function Arrival({ project, dismiss }: { project: string; dismiss: () => void }) {
  const { reads } = useAccount();
  const answer = useOperation("Events", { slug: project, period: { last: 90 }, orderBy: "OLDEST", first: 1 }, { enabled: reads, refresh: () => false });
  const charts = (
    <button type="button" class="button strong" onClick={dismiss}>
      View charts
    </button>
  );
  return (
    <section class="first" aria-label="The first event">
      <p class="waiting good" role="status">
        The first event has arrived
      </p>
      {reads ? (
        <QueryResult answer={answer} height={260}>
          {({ project: { events } }) => (events.nodes[0] ? <FirstEventFacts event={events.nodes[0]} project={project} dismiss={dismiss} charts={charts} /> : <EmptyState>{charts}</EmptyState>)}
        </QueryResult>
      ) : (
        charts
      )}
    </section>
  );
}

function FirstEventFacts({ event, project, dismiss, charts }: { event: Event; project: string; dismiss: () => void; charts: ComponentChildren }) {
  const { changes } = useAccount();
  const [, go] = useLocation();
  const counts = event.install === null && event.target !== null; // a download has no install
  const facts: [string, string | null | undefined][] = [
    ["Event", event.name],
    ...(event.target ? [["Target", `${event.target.id} (${event.target.type})`] as [string, string]] : []),
    ...(counts
      ? []
      : ([
          ["System", [event.os, event.arch].filter(Boolean).join(" ") || null],
          ["Version", event.version],
          ["Counted as", toLabel(event.environment)],
        ] as [string, string | null][])),
    ["Time", moment(event.occurredAt)],
  ];
  return (
    <>
      <h2>{counts ? `${event.target?.id} was counted` : `${event.name} was stored`}</h2>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class={value ? "" : "none"}>{value ?? "not sent"}</dd>
          </div>
        ))}
      </dl>
      <h3>Next</h3>
      <ul class="next">
        <li>
          {counts ? "Add this URL to your download page or script." : "Send events from the tool itself."} <a href={`${ORIGIN}${project === "default" ? "" : `/p/${project}`}/clients`}>The clients</a> never block it.
        </li>
        <li>
          <Link href={`/d/${project}/live`}>Live</Link> shows events as they arrive. <Link href={`/d/${project}/health`}>Health</Link> shows rejected events.
        </li>
        {changes && (
          <li>
            <Link href={`/d/${project}/settings`}>Settings</Link> has keys, alerts and public sharing.
          </li>
        )}
      </ul>
      <p class="inline">
        {counts && (
          <button
            type="button"
            class="button strong"
            onClick={() => {
              dismiss();
              go(`/d/${project}/downloads`);
            }}
          >
            View downloads
          </button>
        )}
        {!counts && charts}
      </p>
    </>
  );
}
