import { useLocation } from "wouter-preact";
import { useChange } from "../../api/use.ts";
import { Field, FormError, formValue } from "../../ui/form.tsx";

/** Form that creates a project. */
export default function NewProject() {
  const create = useChange("CreateProject");
  const [, go] = useLocation();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const [slug, name] = [formValue(form, "slug"), formValue(form, "name")];
    create.mutate({ slug, changes: name ? { name } : null }, { onSuccess: () => go(`/d/${slug}`) });
  };
  return (
    <>
      <form class="inline" onSubmit={submit}>
        <Field label="Slug (used in URLs)" name="slug" error={create.error}>
          <input name="slug" required pattern="[a-z0-9][a-z0-9\-]{0,39}" placeholder="mytool" spellcheck={false} autocapitalize="none" />
        </Field>
        <Field label="Display name" name="name" error={create.error}>
          <input name="name" maxLength={100} />
        </Field>
        <button type="submit" class="button" disabled={create.isPending}>
          Create project
        </button>
      </form>
      <FormError error={create.error} fields={["slug", "name"]} />
    </>
  );
}
