import type { ComponentChildren } from "preact";
import { Link, useLocation } from "wouter-preact";
import type { Data } from "../api/client.ts";
import { useAsk } from "../api/use.ts";
import { Answered, Nothing } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { ORIGIN } from "../view/base.ts";
import { moment, words } from "../view/format.ts";

type Event = Data<"Events">["project"]["events"]["nodes"][number];

/** The first event of a project, and what to do next, until somebody goes on. */
export function Arrival({ project, goOn }: { project: string; goOn: () => void }) {
  const { reads } = useAccount();
  const answer = useAsk("Events", { slug: project, period: { last: 90 }, orderBy: "OLDEST", first: 1 }, { enabled: reads, refresh: () => false });
  const charts = (
    <button type="button" class="button strong" onClick={goOn}>
      See the charts
    </button>
  );
  return (
    <section class="first" aria-label="The first event">
      <p class="waiting good" role="status">
        The first event has arrived
      </p>
      {reads ? (
        <Answered answer={answer} height={260}>
          {({ project: { events } }) => (events.nodes[0] ? <Came event={events.nodes[0]} project={project} goOn={goOn} charts={charts} /> : <Nothing>{charts}</Nothing>)}
        </Answered>
      ) : (
        charts
      )}
    </section>
  );
}

function Came({ event, project, goOn, charts }: { event: Event; project: string; goOn: () => void; charts: ComponentChildren }) {
  const { changes } = useAccount();
  const [, go] = useLocation();
  const counts = event.install === null && event.target !== null; // a download, which has no install
  const facts: [string, string | null | undefined][] = [
    ["Event", event.name],
    ...(event.target ? [["Target", `${event.target.id} (${event.target.type})`] as [string, string]] : []),
    ...(counts
      ? []
      : ([
          ["System", [event.os, event.arch].filter(Boolean).join(" ") || null],
          ["Version", event.version],
          ["Counted as", words(event.environment)],
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
          {counts ? "Put the address into the download's page or script." : "Send events from the tool itself."} <a href={`${ORIGIN}${project === "default" ? "" : `/p/${project}`}/clients`}>The clients</a> never hold it up.
        </li>
        <li>
          <Link href={`/d/${project}/live`}>Live</Link> shows events as they come, <Link href={`/d/${project}/health`}>Health</Link> shows what was refused.
        </li>
        {changes && (
          <li>
            <Link href={`/d/${project}/settings`}>Settings</Link> has keys, alerts, and who may see the charts.
          </li>
        )}
      </ul>
      <p class="inline">
        {counts && (
          <button
            type="button"
            class="button strong"
            onClick={() => {
              goOn();
              go(`/d/${project}/downloads`);
            }}
          >
            See the downloads
          </button>
        )}
        {!counts && charts}
      </p>
    </>
  );
}
