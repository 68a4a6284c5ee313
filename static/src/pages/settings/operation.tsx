import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import { Card, DataTable } from "../../ui/card.tsx";
import { ConfirmButton, FormError } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { ago, moment, spaced, toLabel } from "../../view/format.ts";

type Page = Data<"Operation">;

/** Background jobs, with a button to run each now. */
export function Jobs({ jobs }: { jobs: Page["jobs"] }) {
  const run = useChange("RunJob");
  return (
    <Section title="Jobs" about="Tasks that the server runs automatically. You can run any of them now.">
      <ul class="rows">
        {jobs.map(({ name, about, startedAt, result, detail }) => (
          <li key={name}>
            <div class="job">
              <b>{toLabel(name)}</b>
              <span class="soft">{about}</span>
              <span class="row-figure inline">
                <span class={result === "FAILED" ? "bad" : "soft"} title={detail ?? ""}>
                  {startedAt ? `${result === "FAILED" ? "failed " : ""}${ago(startedAt)}` : "not run yet"}
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

/** Active login sessions. */
export function Sessions({ sessions }: { sessions: Page["sessions"] }) {
  const end = useChange("RevokeSession");
  const others = useChange("RevokeOtherSessions");
  return (
    <Section title="Sessions" about="Active logins. Ending a session logs it out at once.">
      <ul class="rows">
        {sessions.map(({ id, client, scopes, createdAt, seenAt, current }) => (
          <li key={id}>
            <div>
              <b>{client}</b> {current && <span class="tag good">current</span>}
              <span class="soft">
                {scopes.join(", ").toLowerCase()} · since {moment(createdAt)} · seen {ago(seenAt)}
              </span>
              {!current && (
                <span class="row-figure">
                  <ConfirmButton label="End" question="This logs the session out. Its user must log in again." act={() => end.mutate({ id })} />
                </span>
              )}
            </div>
          </li>
        ))}
      </ul>
      {sessions.length > 1 && <ConfirmButton label="End all others" question="This logs out every session except the current one." act={() => others.mutate({})} />}
      <FormError error={end.error ?? others.error} />
    </Section>
  );
}

/** Audit log: changes by actor. */
export function Audit({ entries }: { entries: Page["auditLog"] }) {
  const table = () => ({
    columns: ["Time", "Actor", "Action", "Project", "Detail"],
    rows: entries.map(({ at, actor, action, project, detail }) => [moment(at), actor, spaced(action.replace(".", " ")), project, detail]),
  });
  return (
    <Card title="Audit log" table={table}>
      <DataTable table={table()} />
    </Card>
  );
}
