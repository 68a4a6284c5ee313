import { useLocation } from "wouter-preact";
import { useChange } from "../../api/use.ts";
import { Card } from "../../ui/card.tsx";
import { Field, FormError, given } from "../../ui/form.tsx";

/** A project for one more tool. */
export function NewProject() {
  const create = useChange("CreateProject");
  const [, go] = useLocation();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const [slug, name] = [given(form, "slug"), given(form, "name")];
    create.mutate({ slug, changes: name ? { name } : null }, { onSuccess: () => go(`/d/${slug}`) });
  };
  return (
    <Card title="Another project" note="one for each tool">
      <form class="inline" onSubmit={submit}>
        <Field label="Its name in addresses" name="slug" error={create.error}>
          <input name="slug" required pattern="[a-z0-9][a-z0-9\-]{0,39}" placeholder="mytool" />
        </Field>
        <Field label="What people call it" name="name" error={create.error}>
          <input name="name" maxLength={100} />
        </Field>
        <button type="submit" class="button" disabled={create.isPending}>
          Make
        </button>
      </form>
      <FormError error={create.error} fields={["slug", "name"]} />
    </Card>
  );
}
