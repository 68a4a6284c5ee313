import { useLocation } from "wouter-preact";
import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import { Confirmed, Field, FormError, given } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { moment } from "../../view/format.ts";

export type ProjectSettings = Data<"ProjectSettings">["project"]["settings"];

const FIELDS = ["name", "retentionDays", "rateLimit", "eventLimit", "maxTargets", "hosts", "properties", "requiresKey", "listsTargets"];
const list = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);
const numeric = (text: string): number | null => (text === "" ? null : Number(text));

/** How a project is set up. What is left empty follows the server's own setting. */
export function ProjectForm({ slug, settings }: { slug: string; settings: ProjectSettings }) {
  const update = useChange("UpdateProject");
  const [, go] = useLocation();
  const archive = useChange("ArchiveProject", () => go("/"));
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    update.mutate({
      slug,
      changes: {
        name: given(form, "name"),
        retentionDays: numeric(given(form, "retentionDays")),
        rateLimit: given(form, "rateLimit") || null,
        eventLimit: given(form, "eventLimit") || null,
        maxTargets: numeric(given(form, "maxTargets")),
        hosts: list(given(form, "hosts")),
        properties: list(given(form, "properties")),
        requiresKey: given(form, "requiresKey") === "on",
        listsTargets: given(form, "listsTargets") === "on",
      },
    });
  };
  const error = update.error;
  return (
    <Section title="Project" about={`Made ${moment(settings.createdAt)}. What is left empty follows the server's own setting.`}>
      <form class="fields" onSubmit={submit}>
        <Field label="Name" name="name" error={error}>
          <input name="name" defaultValue={settings.name} required maxLength={100} />
        </Field>
        <Field label="Days that raw events are kept" name="retentionDays" error={error} about="Sums outlive them.">
          <input name="retentionDays" type="number" min={1} defaultValue={settings.retentionDays ?? ""} />
        </Field>
        <div class="inline">
          <Field label="Requests of one address" name="rateLimit" error={error} about="as 10/minute">
            <input name="rateLimit" defaultValue={settings.rateLimit ?? ""} />
          </Field>
          <Field label="Events of one address" name="eventLimit" error={error} about="as 1000/minute">
            <input name="eventLimit" defaultValue={settings.eventLimit ?? ""} />
          </Field>
          <Field label="Most targets" name="maxTargets" error={error} about="packs, tools, …">
            <input name="maxTargets" type="number" min={1} defaultValue={settings.maxTargets ?? ""} />
          </Field>
        </div>
        <Field label="Host names" name="hosts" error={error} about="Requests to these hosts are about this project. With spaces between them.">
          <input name="hosts" defaultValue={settings.hosts.join(" ")} spellcheck={false} />
        </Field>
        <Field label="Properties that are counted by value" name="properties" error={error} about="At most five, such as template or shell.">
          <input name="properties" defaultValue={settings.properties.join(" ")} spellcheck={false} />
        </Field>
        <label class="check">
          <input type="checkbox" name="requiresKey" defaultChecked={settings.requiresKey} /> Take events with a key only
        </label>
        <label class="check">
          <input type="checkbox" name="listsTargets" defaultChecked={settings.listsTargets} /> Count only targets that were listed before
        </label>
        <FormError error={error} fields={FIELDS} />
        <div class="inline">
          <button type="submit" class="button strong" disabled={update.isPending}>
            Save
          </button>
          {update.isSuccess && (
            <span class="good" role="status">
              Saved
            </span>
          )}
          <Confirmed
            label="Archive"
            question="It takes no more events, and the public sees none of it. What it has stays, and the server's settings bring it back."
            act={() => archive.mutate({ slug })}
          />
        </div>
        <FormError error={archive.error} />
      </form>
    </Section>
  );
}
