import type { Data } from "../../api/client.ts";
import { useChange } from "../../api/use.ts";
import { Field, FormError, given } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";

/** The version that clients are told of when they ask `/v1/version/latest`. */
export function Release({ slug, latest }: { slug: string; latest: Data<"ProjectSettings">["project"]["settings"]["latest"] }) {
  const announce = useChange("AnnounceVersion");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const version = given(form, "version");
    const told = { version, releaseDate: given(form, "releaseDate"), updateUrl: given(form, "updateUrl"), critical: given(form, "critical") === "on" };
    announce.mutate({ slug, latest: version ? told : null });
  };
  return (
    <Section title="Latest version" about={<>What clients are told that ask <code>/v1/version/latest</code>; without a version they are told that there is none.</>}>
      <form class="inline" onSubmit={submit}>
        <Field label="Version" name="version" error={announce.error}>
          <input name="version" defaultValue={latest?.version ?? ""} size={10} />
        </Field>
        <Field label="Released" name="releaseDate" error={announce.error}>
          <input name="releaseDate" type="date" defaultValue={latest?.releaseDate ?? ""} />
        </Field>
        <Field label="Where to get it" name="updateUrl" error={announce.error}>
          <input name="updateUrl" type="url" defaultValue={latest?.updateUrl ?? ""} size={28} />
        </Field>
        <label class="check">
          <input type="checkbox" name="critical" defaultChecked={latest?.critical ?? false} /> urgent
        </label>
        <button type="submit" class="button" disabled={announce.isPending}>
          Announce
        </button>
        {announce.isSuccess && (
          <span class="good" role="status">
            Done
          </span>
        )}
      </form>
      <FormError error={announce.error} fields={["version", "releaseDate", "updateUrl"]} />
    </Section>
  );
}
