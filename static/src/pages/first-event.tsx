import { Link } from "wouter-preact";
import { useProjects } from "../api/use.ts";
import { Copyable } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { BASE, ORIGIN } from "../view/base.ts";

const SOON = 3_000; // ms

/** Instructions for sending a project's first event. */
export function FirstEvent({ project }: { project: string }) {
  useProjects({ refresh: SOON }); // once the project has an event, the page replaces this component
  const { reads } = useAccount();
  const base = project === "default" ? ORIGIN : `${ORIGIN}/p/${project}`;
  const event = '{"name": "build", "installation_id": "any-random-id",\n    "version": "1.0.0", "os": "linux", "outcome": "success", "duration_ms": 812}';
  return (
    <section class="first" aria-label="The first event">
      <p class="waiting" role="status">
        <i /> Waiting for the first event
      </p>
      <h2>No events yet</h2>
      <p>Send one from a terminal. It appears here within seconds:</p>
      <Copyable label="A command that sends an event" text={`curl ${base}/v1/events \\\n  -d '${event}'`} />
      <p>Or count a download, without a body or an ID:</p>
      <Copyable label="A command that counts a download" text={`curl -X POST ${base}/dl/hello`} />
      <p>
        <a href={`${project === "default" ? BASE : `${BASE}/p/${project}`}/clients`}>Clients</a> for Python, shell, JavaScript, Go and Rust are a single
        file each. <a href={`${BASE}/docs`}>The reference</a> documents every route and field, and the formats of other telemetry clients that Footfall accepts. To explore with sample data,{" "}
        <code>footfall demo</code> creates a project with a month of generated events.
      </p>
      {reads && (
        <p>
          Sent an event, but nothing appears? <Link href={`/d/${project}/health`}>Health</Link> lists rejected events with the reason.
        </p>
      )}
    </section>
  );
}
