import { useState } from "preact/hooks";
import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import type { AlertKind } from "../../generated/operations.ts";
import { ConfirmButton, Field, FormError, formValue } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { Copyable, EmptyState } from "../../ui/states.tsx";
import { ago, plural, toLabel } from "../../view/format.ts";

const MEASURED = new Set<AlertKind>(["FAILURE_RATE", "VOLUME_DROP", "VOLUME_SPIKE"]); // kinds with a threshold
const KINDS: AlertKind[] = ["FAILURE_RATE", "VOLUME_DROP", "VOLUME_SPIKE", "NEW_ERROR", "NEW_VERSION"];

/** Alert rules, which call a webhook. */
export function Alerts({ slug, alerts }: { slug: string; alerts: Data<"ProjectSettings">["project"]["alerts"] }) {
  const [secret, setSecret] = useState<string | null>(null);
  const [tried, setTried] = useState("");
  const [kind, setKind] = useState<AlertKind>("FAILURE_RATE");
  const create = useChange("CreateAlert");
  const remove = useChange("DeleteAlert");
  const attempt = useChange("TestAlert");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const threshold = formValue(form, "threshold");
    create.mutate(
      { slug, alert: { kind: formValue(form, "kind") as AlertKind, url: formValue(form, "url"), name: formValue(form, "name"), threshold: threshold ? Number(threshold) : null } },
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
      { onSuccess: ({ testAlert }) => setTried(`${testAlert.finding ?? "It would not fire now."} ${testAlert.deliveryError ?? `The webhook answered ${testAlert.responseStatus}.`}`) },
    );
  return (
    <Section title="Alerts" about="Rules that send a signed webhook on unusual failure rates or volume, and on new errors or versions.">
      {alerts.length === 0 ? (
        <EmptyState>No alert rules yet. Add one below.</EmptyState>
      ) : (
        <ul class="rows">
          {alerts.map(({ id, name, kind, thresholdText, question, windowMinutes, host, lastStatus, lastFiredAt }) => (
            <li key={id}>
              <div>
                <b>{name || toLabel(kind)}</b>
                <span class="soft">
                  {toLabel(kind)}
                  {thresholdText && `, ${thresholdText}`}
                  {question ? `: ${question}` : ` in ${plural(windowMinutes, "minute")}`} · to {host} · {lastFiredAt ? `${lastStatus?.toLowerCase()} ${ago(lastFiredAt)}` : "never fired"}
                </span>
                <span class="row-figure inline">
                  <button type="button" class="button" disabled={attempt.isPending} onClick={() => test(id)}>
                    Test
                  </button>
                  <ConfirmButton label="Delete" question="This deletes the rule and its alert history." act={() => remove.mutate({ id })} />
                </span>
              </div>
            </li>
          ))}
        </ul>
      )}
      {tried && <p role="status">{tried}</p>}
      {secret && (
        <div class="secret" role="status">
          The secret that signs the alerts. It is shown only once:
          <Copyable label="Signing secret" text={secret} />
        </div>
      )}
      <form class="inline" onSubmit={submit}>
        <Field label="Type">
          <select name="kind" value={kind} onChange={(event) => setKind(event.currentTarget.value as AlertKind)}>
            {KINDS.map((each) => (
              <option value={each} key={each}>
                {toLabel(each)}
              </option>
            ))}
          </select>
        </Field>
        {MEASURED.has(kind) && (
          <Field label="Percent" name="threshold" error={create.error}>
            <input name="threshold" type="number" min={0} step="any" class="narrow" placeholder="default" />
          </Field>
        )}
        <Field label="Webhook URL" name="url" error={create.error}>
          <input name="url" type="url" required placeholder="https://…" size={30} />
        </Field>
        <Field label="Name">
          <input name="name" maxLength={100} size={14} />
        </Field>
        <button type="submit" class="button" disabled={create.isPending}>
          Create
        </button>
      </form>
      <FormError error={create.error ?? remove.error ?? attempt.error} fields={["threshold", "url"]} />
    </Section>
  );
}
