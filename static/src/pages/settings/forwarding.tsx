import { useChange, useOperation } from "../../api/use.ts";
import { Field, FormError, formValue } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { EmptyState, QueryResult } from "../../ui/states.tsx";
import { count, day } from "../../view/format.ts";

const DAYS = 14;
const COLUMNS = ["events", "stored", "accepted", "refused", "failed", "dropped"] as const;
const LABELS = { events: "Events", stored: "Stored here", accepted: "Accepted there", refused: "Refused there", failed: "No answer", dropped: "Not sent" };

/** Shadow mode: forwarding to the system that Footfall replaces, and the counts of both by day. */
export function Forwarding({ slug }: { slug: string }) {
  const answer = useOperation("Forwarding", { slug, period: { last: DAYS } });
  const update = useChange("UpdateProject");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    update.mutate({ slug, changes: { forwardTo: formValue(event.currentTarget as HTMLFormElement, "forwardTo") || null } });
  };
  return (
    <Section title="Forwarding" about="Forwards the requests of SDKs to the system that Footfall replaces, and compares the counts of both. Clients never wait for the other system.">
      <QueryResult answer={answer} height={120}>
        {({ project: { forwarding } }) => (
          <>
            <form class="fields" onSubmit={submit}>
              <Field label="Other system" name="forwardTo" error={update.error} about="For example, https://us.i.posthog.com. Leave empty to stop forwarding.">
                <input name="forwardTo" type="url" defaultValue={forwarding.url ?? ""} spellcheck={false} />
              </Field>
              <FormError error={update.error} fields={["forwardTo"]} />
              <button type="submit" class="button" disabled={update.isPending}>
                Save
              </button>
            </form>
            <Comparison forwarding={forwarding} />
          </>
        )}
      </QueryResult>
    </Section>
  );
}

type Counts = { starts: string[]; errors: (string | null)[] } & Record<(typeof COLUMNS)[number], number[]>;

function Comparison({ forwarding }: { forwarding: Counts }) {
  const days = forwarding.starts.map((start, index) => ({ start, index })).filter(({ index }) => forwarding.events[index]);
  if (days.length === 0) return <EmptyState>Nothing was forwarded in the last {DAYS} days.</EmptyState>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Forwarding: counts by day">
      <table class="single">
        <thead>
          <tr>
            <th scope="col">Day</th>
            {COLUMNS.map((column) => (
              <th scope="col" class="figure" key={column}>
                {LABELS[column]}
              </th>
            ))}
            <th scope="col">Last failure</th>
          </tr>
        </thead>
        <tbody>
          {days.reverse().map(({ start, index }) => (
            <tr key={start}>
              <td>{day(start)}</td>
              {COLUMNS.map((column) => (
                <td class="figure" key={column}>
                  {count(forwarding[column][index])}
                </td>
              ))}
              <td>{forwarding.errors[index]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
