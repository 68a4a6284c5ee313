import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import { Field, FormError, formValue } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";

/** Form for the version that `/v1/version/latest` returns. */
export function Release({ slug, latest }: { slug: string; latest: Data<"ProjectSettings">["project"]["settings"]["latest"] }) {
  const announce = useChange("AnnounceVersion");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const version = formValue(form, "version");
    const release = { version, releaseDate: formValue(form, "releaseDate"), updateUrl: formValue(form, "updateUrl"), critical: formValue(form, "critical") === "on" };
    announce.mutate({ slug, latest: version ? release : null });
  };
  return (
    <Section title="Latest version" about={<>Clients read it from <code>/v1/version/latest</code>. Leave the version empty to announce none.</>}>
      <form class="inline" onSubmit={submit}>
        <Field label="Version" name="version" error={announce.error}>
          <input name="version" defaultValue={latest?.version ?? ""} size={10} />
        </Field>
        <Field label="Release date" name="releaseDate" error={announce.error}>
          <input name="releaseDate" type="date" defaultValue={latest?.releaseDate ?? ""} />
        </Field>
        <Field label="Update URL" name="updateUrl" error={announce.error}>
          <input name="updateUrl" type="url" defaultValue={latest?.updateUrl ?? ""} size={28} />
        </Field>
        <label class="check">
          <input type="checkbox" name="critical" defaultChecked={latest?.critical ?? false} /> Critical
        </label>
        <button type="submit" class="button" disabled={announce.isPending}>
          Announce
        </button>
        {announce.isSuccess && (
          <span class="good" role="status">
            Saved
          </span>
        )}
      </form>
      <FormError error={announce.error} fields={["version", "releaseDate", "updateUrl"]} />
    </Section>
  );
}
