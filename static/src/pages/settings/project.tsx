import { useLocation } from "wouter-preact";
import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import { ConfirmButton, Field, FormError, formValue } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { moment } from "../../view/format.ts";

export type ProjectSettings = Data<"ProjectSettings">["project"]["settings"];

const FIELDS = ["name", "retentionDays", "rateLimit", "eventLimit", "maxTargets", "hosts", "sites", "properties", "requiresKey", "listsTargets"];
const list = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);
const numeric = (text: string): number | null => (text === "" ? null : Number(text));

/** Form with the settings of a project. Empty fields use the server's defaults. */
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
        name: formValue(form, "name"),
        retentionDays: numeric(formValue(form, "retentionDays")),
        rateLimit: formValue(form, "rateLimit") || null,
        eventLimit: formValue(form, "eventLimit") || null,
        maxTargets: numeric(formValue(form, "maxTargets")),
        hosts: list(formValue(form, "hosts")),
        sites: list(formValue(form, "sites")),
        properties: list(formValue(form, "properties")),
        requiresKey: formValue(form, "requiresKey") === "on",
        listsTargets: formValue(form, "listsTargets") === "on",
      },
    });
  };
  const error = update.error;
  return (
    <Section title="Project" about={`Created ${moment(settings.createdAt)}. Empty fields use the server's defaults.`}>
      <form class="fields" onSubmit={submit}>
        <Field label="Name" name="name" error={error}>
          <input name="name" defaultValue={settings.name} required maxLength={100} />
        </Field>
        <Field label="Raw event retention (days)" name="retentionDays" error={error} about="Aggregated counts are kept longer.">
          <input name="retentionDays" type="number" min={1} defaultValue={settings.retentionDays ?? ""} />
        </Field>
        <div class="inline">
          <Field label="Requests per address" name="rateLimit" error={error} about="e.g. 10/minute">
            <input name="rateLimit" defaultValue={settings.rateLimit ?? ""} />
          </Field>
          <Field label="Events per address" name="eventLimit" error={error} about="e.g. 1000/minute">
            <input name="eventLimit" defaultValue={settings.eventLimit ?? ""} />
          </Field>
          <Field label="Maximum targets" name="maxTargets" error={error} about="e.g. packs, tools">
            <input name="maxTargets" type="number" min={1} defaultValue={settings.maxTargets ?? ""} />
          </Field>
        </div>
        <Field label="Host names" name="hosts" error={error} about="Requests to these hosts belong to this project. Separate names with spaces.">
          <input name="hosts" defaultValue={settings.hosts.join(" ")} spellcheck={false} />
        </Field>
        <Field
          label="Plausible and Umami sites"
          name="sites"
          error={error}
          about="Domains and website IDs whose events this project accepts without a key."
        >
          <input name="sites" defaultValue={settings.sites.join(" ")} spellcheck={false} />
        </Field>
        <Field label="Properties counted by value" name="properties" error={error} about="Up to 20, e.g. template or shell.">
          <input name="properties" defaultValue={settings.properties.join(" ")} spellcheck={false} />
        </Field>
        <label class="check">
          <input type="checkbox" name="requiresKey" defaultChecked={settings.requiresKey} /> Require a key to send events
        </label>
        <label class="check">
          <input type="checkbox" name="listsTargets" defaultChecked={settings.listsTargets} /> Count only listed targets
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
          <ConfirmButton
            label="Archive"
            question="The project stops accepting events and is no longer public. Its data stays, and you can restore it in the server's settings."
            act={() => archive.mutate({ slug })}
          />
        </div>
        <FormError error={archive.error} />
      </form>
    </Section>
  );
}
