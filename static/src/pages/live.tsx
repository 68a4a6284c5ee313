import { useEffect, useRef, useState } from "preact/hooks";
import { createClient } from "graphql-ws";
import type { LiveSubscription, LiveSubscriptionVariables } from "../generated/operations.ts";
import { LIVE } from "../generated/operations.ts";
import { Icon } from "../ui/icons.tsx";
import { Copyable, Nothing } from "../ui/states.tsx";
import { ZONE, count, duration, time, words } from "../view/format.ts";
import { useView } from "../view/state.ts";
import { BASE, ORIGIN } from "../view/base.ts";

type Event = LiveSubscription["events"]["events"][number];

const MOST = 200; // rows; older ones leave
const MOST_WAITING = 2_000; // while it is paused

/** Events as they come. Pausing keeps what comes meanwhile, to a bound; whatever was passed over is counted. */
export default function Live({ project }: { project: string }) {
  const { filter } = useView();
  const asked = JSON.stringify(filter);
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
    const came = waiting.current;
    waiting.current = [];
    if (came.length > 0) setEvents((old) => [...came.toReversed(), ...old].slice(0, MOST));
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
      { query: LIVE, variables: { slug: project, filter: JSON.parse(asked) as LiveSubscriptionVariables["filter"] } },
      {
        next: ({ data }) => {
          if (!data) return;
          const came = data.events.events;
          setSeen((old) => old + came.length);
          if (data.events.missed) setMissed((old) => old + data.events.missed);
          if (held.current) {
            waiting.current = [...waiting.current, ...came].slice(-MOST_WAITING);
          } else {
            setEvents((old) => [...came.toReversed(), ...old].slice(0, MOST));
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
  }, [project, asked]);

  const said = { connecting: "Connecting", open: paused ? "Paused" : "Listening", lost: "The connection was lost; trying again" }[state];
  return (
    <section class="card wide" aria-label="Live events">
      <h2 class="sr">Events as they come</h2>
      <div class="live-head">
        <span class={state === "lost" ? "tag bad" : "tag good"} role="status">
          {state === "open" && !paused && <i class="pulse" />} {said}
        </span>
        <span class="soft">
          {count(seen)} since this page was opened{missed > 0 && `, ${count(missed)} passed over because they came too fast`}
        </span>
        <button type="button" class="button" onClick={() => setPaused(!paused)} aria-pressed={paused}>
          <Icon name={paused ? "play" : "pause"} size={15} /> {paused ? "Go on" : "Pause"}
        </button>
      </div>
      {events.length === 0 ? (
        <>
          <Nothing>Nothing has come since this page was opened. Send something:</Nothing>
          <Copyable label="A command that sends an event" text={`curl ${ORIGIN}/p/${project}/v1/events -d '{"name": "hello", "installation_id": "my-laptop"}'`} />
        </>
      ) : (
        <Stream events={events} />
      )}
    </section>
  );
}

/** How it ended: what went wrong has the name of its error. */
function Ended({ event: { outcome, errorType } }: { event: Event }) {
  if (outcome === "SUCCESS") return <span class="tag good">success</span>;
  return outcome === "FAILURE" || errorType ? <span class="tag bad">{errorType ?? "failure"}</span> : null;
}

function Stream({ events }: { events: Event[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Events">
      <table class="stream single">
        <thead>
          <tr>
            {[`Time (${ZONE})`, "Event", "Target", "Outcome", "Took", "Who", "Version", "System", "Properties"].map((name) => (
              <th scope="col" key={name} class={name === "Took" ? "figure" : ""}>
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
                <Ended event={event} />
              </td>
              <td class="figure">{event.duration === null ? "" : duration(event.duration)}</td>
              <td>{words(event.environment)}</td>
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
