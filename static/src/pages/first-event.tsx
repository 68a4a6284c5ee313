import { Link } from "wouter-preact";
import { useProjects } from "../api/use.ts";
import { Copyable } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { BASE, ORIGIN } from "../view/base.ts";

const SOON = 3_000; // ms

/** For a project without events: how to send the first one, and what came when it is there. */
export function FirstEvent({ project }: { project: string }) {
  useProjects({ refresh: SOON }); // which says when there is one, and then this is gone
  const { reads } = useAccount();
  const base = project === "default" ? ORIGIN : `${ORIGIN}/p/${project}`;
  const event = '{"name": "build", "installation_id": "any-random-id",\n    "version": "1.0.0", "os": "linux", "outcome": "success", "duration_ms": 812}';
  return (
    <section class="first" aria-label="The first event">
      <p class="waiting" role="status">
        <i /> Waiting for the first event
      </p>
      <h2>Nothing has arrived yet</h2>
      <p>Send one from a terminal, and this page shows what came within seconds:</p>
      <Copyable label="A command that sends an event" text={`curl ${base}/v1/events \\\n  -d '${event}'`} />
      <p>Or count a download, with no body and no id:</p>
      <Copyable label="A command that counts a download" text={`curl -X POST ${base}/dl/hello`} />
      <p>
        <a href={`${project === "default" ? BASE : `${BASE}/p/${project}`}/clients`}>Clients</a> for Python, shell, JavaScript, Go and Rust are one file to
        copy each. <a href={`${BASE}/docs`}>The reference</a> has every route and field, and what five families of clients send as they are. To look around first,{" "}
        <code>footfall demo</code> fills a project with a month of made-up events.
      </p>
      {reads && (
        <p>
          Something was sent and nothing comes? <Link href={`/d/${project}/health`}>Health</Link> says what was refused, and why.
        </p>
      )}
    </section>
  );
}
