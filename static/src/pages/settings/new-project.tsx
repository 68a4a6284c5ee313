import { useLocation } from "wouter-preact";
import { useChange } from "../../api/use.ts";
import { Field, FormError, given } from "../../ui/form.tsx";

/** A form for one more project. */
export default function NewProject() {
  const create = useChange("CreateProject");
  const [, go] = useLocation();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const [slug, name] = [given(form, "slug"), given(form, "name")];
    create.mutate({ slug, changes: name ? { name } : null }, { onSuccess: () => go(`/d/${slug}`) });
  };
  return (
    <>
      <form class="inline" onSubmit={submit}>
        <Field label="Its name in addresses" name="slug" error={create.error}>
          <input name="slug" required pattern="[a-z0-9][a-z0-9\-]{0,39}" placeholder="mytool" spellcheck={false} autocapitalize="none" />
        </Field>
        <Field label="What people call it" name="name" error={create.error}>
          <input name="name" maxLength={100} />
        </Field>
        <button type="submit" class="button" disabled={create.isPending}>
          Make the project
        </button>
      </form>
      <FormError error={create.error} fields={["slug", "name"]} />
    </>
  );
}
