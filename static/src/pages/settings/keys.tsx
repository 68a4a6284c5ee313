import { useState } from "preact/hooks";
import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import { Card } from "../../ui/card.tsx";
import { Confirmed, FormError, given } from "../../ui/form.tsx";
import { Copyable, Nothing } from "../../ui/states.tsx";
import { ago, moment } from "../../view/format.ts";

const SCOPES = { INGEST: "send events", READ: "ask questions and export", ADMIN: "change the project" } as const;
type Scope = keyof typeof SCOPES;

/** The keys of a project. A key is shown once, when it is made. */
export function Keys({ slug, keys }: { slug: string; keys: Data<"ProjectSettings">["project"]["keys"] }) {
  const [secret, setSecret] = useState<string | null>(null);
  const create = useChange("CreateKey");
  const revoke = useChange("RevokeKey");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const scopes = new FormData(form).getAll("scope") as Scope[];
    create.mutate(
      { slug, scopes, name: given(form, "name") },
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
    <Card title="Keys" note="for clients that must name the project, and for reading">
      {used.length === 0 ? (
        <Nothing>No key is in use.</Nothing>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Keys">
          <table>
            <thead>
              <tr>
                {["Name", "Begins", "May", "Made", "Last used"].map((name) => (
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
                    <Confirmed label="Revoke" question={`Clients that use ${name || `key ${id}`} are refused at once. It cannot be undone.`} act={() => revoke.mutate({ id })} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {secret && (
        <div class="secret" role="status">
          The new key, shown this once:
          <Copyable label="The new key" text={secret} />
        </div>
      )}
      <form class="inline" onSubmit={submit}>
        <label class="field">
          <span>New key</span>
          <input name="name" placeholder="What is it for?" maxLength={100} />
        </label>
        {Object.entries(SCOPES).map(([scope, about]) => (
          <label class="check" key={scope} title={about}>
            <input type="checkbox" name="scope" value={scope} defaultChecked={scope === "INGEST"} /> {scope.toLowerCase()}
          </label>
        ))}
        <button type="submit" class="button" disabled={create.isPending}>
          Make
        </button>
      </form>
      <FormError error={create.error ?? revoke.error} />
    </Card>
  );
}
