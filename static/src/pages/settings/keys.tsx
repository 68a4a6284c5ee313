import { useState } from "preact/hooks";
import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import { ConfirmButton, Field, FormError, formValue } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { Copyable, EmptyState } from "../../ui/states.tsx";
import { ago, moment } from "../../view/format.ts";

const SCOPES = { INGEST: "send events", READ: "query and export data", ADMIN: "change settings" } as const;
type Scope = keyof typeof SCOPES;

interface Props {
  /** The project of the keys; null for all projects. */
  slug: string | null;
  keys: Data<"ProjectSettings">["project"]["keys"];
  title: string;
  about: string;
}

/** The keys of a project or of the server. A key is shown once, at creation. */
export function Keys({ slug, keys, title, about }: Props) {
  const [secret, setSecret] = useState<string | null>(null);
  const create = useChange("CreateKey");
  const revoke = useChange("RevokeKey");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const scopes = new FormData(form).getAll("scope") as Scope[];
    create.mutate(
      { slug, scopes, name: formValue(form, "name"), clientKey: slug ? formValue(form, "clientKey") || null : null },
      {
        onSuccess: ({ createKey }) => {
          setSecret(createKey.secret ?? null);
          form.reset();
        },
      },
    );
  };
  const used = keys.filter(({ revoked }) => !revoked);
  return (
    <Section title={title} about={about}>
      {used.length === 0 ? (
        <EmptyState>No keys yet. Create one below.</EmptyState>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={`${title}: list`}>
          <table class="single">
            <thead>
              <tr>
                {["Name", "Prefix", "Scopes", "Created", "Last used"].map((name) => (
                  <th scope="col" key={name}>
                    {name}
                  </th>
                ))}
                <th scope="col">
                  <span class="sr">Revoke</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {used.map(({ id, name, hint, scopes, createdAt, lastUsedAt }) => (
                <tr key={id}>
                  <td>{name || `key ${id}`}</td>
                  <td class="mono">{hint}…</td>
                  <td>{scopes.join(", ").toLowerCase()}</td>
                  <td title={moment(createdAt)}>{ago(createdAt)}</td>
                  <td title={moment(lastUsedAt)}>{lastUsedAt ? ago(lastUsedAt) : "never"}</td>
                  <td class="figure">
                    <ConfirmButton label="Revoke" question={`The server rejects requests with ${name || `key ${id}`} at once. This cannot be undone.`} act={() => revoke.mutate({ id })} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {secret && (
        <div class="secret" role="status">
          The new key. It is shown only once:
          <Copyable label="New key secret" text={secret} />
        </div>
      )}
      <form class="fields" onSubmit={submit}>
        <label class="field">
          <span>New key</span>
          <input name="name" placeholder="Name or purpose" maxLength={100} />
        </label>
        {slug && (
          <Field label="Key of another system" name="clientKey" error={create.error} about="e.g. phc_…, if your programs already send one. It may only send events.">
            <input name="clientKey" maxLength={200} spellcheck={false} autocomplete="off" />
          </Field>
        )}
        <fieldset class="choice">
          <legend>Scopes</legend>
          {Object.entries(SCOPES).map(([scope, may]) => (
            <label class="check" key={scope}>
              <input type="checkbox" name="scope" value={scope} defaultChecked={scope === "INGEST"} /> {may} <span class="soft">{scope.toLowerCase()}</span>
            </label>
          ))}
        </fieldset>
        <button type="submit" class="button" disabled={create.isPending}>
          Create
        </button>
      </form>
      <FormError error={create.error ?? revoke.error} fields={["clientKey"]} />
    </Section>
  );
}
