import { useEffect, useRef, useState } from "preact/hooks";
import { createClient } from "graphql-ws";
import type { LiveSubscription, LiveSubscriptionVariables } from "../generated/operations.ts";
import { LIVE } from "../generated/operations.ts";
import { Icon } from "../ui/icons.tsx";
import { Copyable, EmptyState } from "../ui/states.tsx";
import { ZONE, count, duration, plural, time, toLabel } from "../view/format.ts";
import { useView } from "../view/state.ts";
import { BASE, ORIGIN } from "../view/base.ts";

type Event = LiveSubscription["events"]["events"][number];

const MOST = 200; // rows; older ones are removed
const MAX_WAITING = 2_000; // events buffered while paused

/** Live page: events as they arrive. Pausing buffers up to `MAX_WAITING` events. Counts events that the server skipped. */
export default function Live({ project }: { project: string }) {
  const { filter } = useView();
  const filterText = JSON.stringify(filter);
  const [events, setEvents] = useState<Event[]>([]);
  const [missed, setMissed] = useState(0);
  const [state, setState] = useState<"connecting" | "open" | "lost">("connecting");
  const [paused, setPaused] = useState(false);
  const [seen, setSeen] = useState(0);
  const waiting = useRef<Event[]>([]);
  const held = useRef(false);

  useEffect(() => {
    held.current = paused;
    if (paused) return;
    const batch = waiting.current;
    waiting.current = [];
    if (batch.length > 0) setEvents((old) => [...batch.toReversed(), ...old].slice(0, MOST));
  }, [paused]);

  useEffect(() => {
    const client = createClient({
      url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${BASE}/graphql`,
      retryAttempts: Number.POSITIVE_INFINITY,
      retryWait: (tries) => new Promise((resolve) => setTimeout(resolve, Math.min(30_000, 500 * 2 ** tries))),
      shouldRetry: () => true,
      keepAlive: 20_000,
      on: { connected: () => setState("open"), closed: () => setState("lost") },
    });
    const stop = client.subscribe<LiveSubscription>(
      { query: LIVE, variables: { slug: project, filter: JSON.parse(filterText) as LiveSubscriptionVariables["filter"] } },
      {
        next: ({ data }) => {
          if (!data) return;
          const batch = data.events.events;
          setSeen((old) => old + batch.length);
          if (data.events.missed) setMissed((old) => old + data.events.missed);
          if (held.current) {
            waiting.current = [...waiting.current, ...batch].slice(-MAX_WAITING);
          } else {
            setEvents((old) => [...batch.toReversed(), ...old].slice(0, MOST));
          }
        },
        error: () => setState("lost"),
        complete: () => setState("lost"),
      },
    );
    return () => {
      stop();
      void client.dispose();
    };
  }, [project, filterText]);

  const status = { connecting: "Connecting", open: paused ? "Paused" : "Listening", lost: "Connection lost, reconnecting" }[state];
  return (
    <section class="card wide" aria-label="Live events">
      <h2 class="sr">Live events</h2>
      <div class="live-head">
        <span class={state === "lost" ? "tag bad" : "tag good"} role="status">
          {state === "open" && !paused && <i class="pulse" />} {status}
        </span>
        <span class="soft">
          {plural(seen, "event")} since you opened this page{missed > 0 && `, ${count(missed)} skipped because they arrived too fast`}
        </span>
        <button type="button" class="button" onClick={() => setPaused(!paused)} aria-pressed={paused}>
          <Icon name={paused ? "play" : "pause"} size={15} /> {paused ? "Resume" : "Pause"}
        </button>
      </div>
      {events.length === 0 ? (
        <>
          <EmptyState>No events since you opened this page. Send one:</EmptyState>
          <Copyable label="A command that sends an event" text={`curl ${ORIGIN}/p/${project}/v1/events -d '{"name": "hello", "installation_id": "my-laptop"}'`} />
        </>
      ) : (
        <Stream events={events} />
      )}
    </section>
  );
}

/** The outcome of an event; failures show their error type. */
function OutcomeTag({ event: { outcome, errorType } }: { event: Event }) {
  if (outcome === "SUCCESS") return <span class="tag good">success</span>;
  return outcome === "FAILURE" || errorType ? <span class="tag bad">{errorType ?? "failure"}</span> : null;
}

function Stream({ events }: { events: Event[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Events">
      <table class="stream single">
        <thead>
          <tr>
            {[`Time (${ZONE})`, "Event", "Target", "Outcome", "Duration", "Environment", "Version", "System", "Properties"].map((name) => (
              <th scope="col" key={name} class={name === "Duration" ? "figure" : ""}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr key={event.id} class="fresh">
              <td class="mono">{time(event.receivedAt)}</td>
              <td>
                <b>{event.name}</b>
              </td>
              <td>{event.target && <span title={event.target.type}>{event.target.id}</span>}</td>
              <td>
                <OutcomeTag event={event} />
              </td>
              <td class="figure">{event.duration === null ? "" : duration(event.duration)}</td>
              <td>{toLabel(event.environment)}</td>
              <td>{event.version}</td>
              <td>{event.os}</td>
              <td class="properties rest" title={event.propertiesText ?? ""}>{event.propertiesText ?? ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
