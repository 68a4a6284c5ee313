import { useState } from "preact/hooks";
import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import type { AlertKind } from "../../generated/operations.ts";
import { Confirmed, Field, FormError, given } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { Copyable, Nothing } from "../../ui/states.tsx";
import { ago, many, percent, words } from "../../view/format.ts";

const MEASURED = new Set<AlertKind>(["FAILURE_RATE", "VOLUME_DROP", "VOLUME_SPIKE"]); // against a threshold
const KINDS: AlertKind[] = ["FAILURE_RATE", "VOLUME_DROP", "VOLUME_SPIKE", "NEW_ERROR", "NEW_VERSION"];

/** Rules that tell a webhook when something is out of the ordinary. */
export function Alerts({ slug, alerts }: { slug: string; alerts: Data<"ProjectSettings">["project"]["alerts"] }) {
  const [secret, setSecret] = useState<string | null>(null);
  const [tried, setTried] = useState("");
  const [kind, setKind] = useState<AlertKind>("FAILURE_RATE");
  const create = useChange("CreateAlert");
  const remove = useChange("DeleteAlert");
  const attempt = useChange("TryAlert");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const threshold = given(form, "threshold");
    create.mutate(
      { slug, alert: { kind: given(form, "kind") as AlertKind, url: given(form, "url"), name: given(form, "name"), threshold: threshold ? Number(threshold) : null } },
      {
        onSuccess: ({ createAlert }) => {
          setSecret(createAlert.secret ?? null);
          form.reset();
          setKind("FAILURE_RATE");
        },
      },
    );
  };
  const test = (id: string) =>
    attempt.mutate(
      { id },
      { onSuccess: ({ tryAlert }) => setTried(`${tryAlert.finding ?? "It finds nothing now."} ${tryAlert.deliveryError ?? `The webhook answered ${tryAlert.answered}.`}`) },
    );
  return (
    <Section title="Alerts" about="Rules that tell a webhook, signed, when something is out of the ordinary: failures, volume, a new error, a new version.">
      {alerts.length === 0 ? (
        <Nothing>No rule watches this project.</Nothing>
      ) : (
        <ul class="rows">
          {alerts.map(({ id, name, kind, threshold, windowMinutes, host, lastStatus, lastFiredAt }) => (
            <li key={id}>
              <div>
                <b>{name || words(kind)}</b>
                <span class="soft">
                  {words(kind)}
                  {threshold > 0 && `, ${percent(threshold / 100)}`} in {many(windowMinutes, "minute")} · to {host} · {lastFiredAt ? `${lastStatus?.toLowerCase()} ${ago(lastFiredAt)}` : "never told"}
                </span>
                <span class="row-figure inline">
                  <button type="button" class="button" disabled={attempt.isPending} onClick={() => test(id)}>
                    Try
                  </button>
                  <Confirmed label="Delete" question="The rule goes, with the record of its alerts." act={() => remove.mutate({ id })} />
                </span>
              </div>
            </li>
          ))}
        </ul>
      )}
      {tried && <p role="status">{tried}</p>}
      {secret && (
        <div class="secret" role="status">
          The secret that signs its alerts, shown this once:
          <Copyable label="The secret" text={secret} />
        </div>
      )}
      <form class="inline" onSubmit={submit}>
        <Field label="Watch">
          <select name="kind" value={kind} onChange={(event) => setKind(event.currentTarget.value as AlertKind)}>
            {KINDS.map((each) => (
              <option value={each} key={each}>
                {words(each)}
              </option>
            ))}
          </select>
        </Field>
        {MEASURED.has(kind) && (
          <Field label="Percent" name="threshold" error={create.error}>
            <input name="threshold" type="number" min={0} step="any" class="narrow" placeholder="usual" />
          </Field>
        )}
        <Field label="Webhook" name="url" error={create.error}>
          <input name="url" type="url" required placeholder="https://…" size={30} />
        </Field>
        <Field label="Name">
          <input name="name" maxLength={100} size={14} />
        </Field>
        <button type="submit" class="button" disabled={create.isPending}>
          Make
        </button>
      </form>
      <FormError error={create.error ?? remove.error ?? attempt.error} fields={["threshold", "url"]} />
    </Section>
  );
}
