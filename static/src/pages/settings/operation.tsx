import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import { Card, Tabled } from "../../ui/card.tsx";
import { Confirmed, FormError } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { ago, moment, plain, words } from "../../view/format.ts";

type Page = Data<"Operation">;

/** What the server does by itself; any of it can be done now. */
export function Jobs({ jobs }: { jobs: Page["jobs"] }) {
  const run = useChange("RunJob");
  return (
    <Section title="Jobs" about="What the server does by itself; any of it can be done now.">
      <ul class="rows">
        {jobs.map(({ name, about, startedAt, result, detail }) => (
          <li key={name}>
            <div class="job">
              <b>{words(name)}</b>
              <span class="soft">{about}</span>
              <span class="row-figure inline">
                <span class={result === "FAILED" ? "bad" : "soft"} title={detail ?? ""}>
                  {startedAt ? `${result === "FAILED" ? "failed " : ""}${ago(startedAt)}` : "not yet"}
                </span>
                <button type="button" class="button" disabled={run.isPending} onClick={() => run.mutate({ name })}>
                  Run now
                </button>
              </span>
            </div>
          </li>
        ))}
      </ul>
      <FormError error={run.error} />
    </Section>
  );
}

/** Where people are logged in. */
export function Sessions({ sessions }: { sessions: Page["sessions"] }) {
  const end = useChange("RevokeSession");
  const others = useChange("RevokeOtherSessions");
  return (
    <Section title="Sessions" about="Where somebody is logged in. Ending one logs it out at once.">
      <ul class="rows">
        {sessions.map(({ id, client, scopes, createdAt, seenAt, current }) => (
          <li key={id}>
            <div>
              <b>{client}</b> {current && <span class="tag good">this one</span>}
              <span class="soft">
                {scopes.join(", ").toLowerCase()} · since {moment(createdAt)} · seen {ago(seenAt)}
              </span>
              {!current && (
                <span class="row-figure">
                  <Confirmed label="End" question="Whoever uses it must log in again." act={() => end.mutate({ id })} />
                </span>
              )}
            </div>
          </li>
        ))}
      </ul>
      {sessions.length > 1 && <Confirmed label="End all others" question="Only this session goes on." act={() => others.mutate({})} />}
      <FormError error={end.error ?? others.error} />
    </Section>
  );
}

/** Who changed what. */
export function Audit({ entries }: { entries: Page["auditLog"] }) {
  const table = () => ({
    columns: ["When", "Who", "What", "Project", "Detail"],
    rows: entries.map(({ at, actor, action, project, detail }) => [moment(at), actor, plain(action.replace(".", " ")), project, detail]),
  });
  return (
    <Card title="Audit log" table={table}>
      <Tabled table={table()} />
    </Card>
  );
}
