import { useState } from "preact/hooks";
import { useChange } from "../../api/use.ts";
import { Field, FormError, formValue } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { toLabel } from "../../view/format.ts";

const WHO_SEES = { PUBLIC: "counts and lists are public", UNLISTED: "not in public lists", PRIVATE: "requires a key" } as const;
type Visibility = keyof typeof WHO_SEES;

/** Form that lists a target and sets its visibility. */
export function Targets({ slug }: { slug: string }) {
  const set = useChange("SetTarget");
  const [done, setDone] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const target = { type: formValue(form, "type"), id: formValue(form, "id"), visibility: formValue(form, "visibility") as Visibility };
    setDone("");
    set.mutate({ slug, ...target }, { onSuccess: () => setDone(`${target.id} is ${target.visibility.toLowerCase()}.`) });
  };
  return (
    <Section title="Targets" about="The subjects of events: packs, snippets, tools. New targets are unlisted until you set their visibility here.">
      <form class="inline" onSubmit={submit}>
        <Field label="Type" name="type" error={set.error}>
          <input name="type" required maxLength={64} class="narrow" placeholder="pack" spellcheck={false} autocapitalize="none" />
        </Field>
        <Field label="ID" name="id" error={set.error}>
          <input name="id" required maxLength={200} spellcheck={false} autocapitalize="none" />
        </Field>
        <Field label="Visibility" name="visibility" error={set.error}>
          <select name="visibility">
            {Object.entries(WHO_SEES).map(([visibility, about]) => (
              <option key={visibility} value={visibility}>
                {toLabel(visibility)}: {about}
              </option>
            ))}
          </select>
        </Field>
        <button type="submit" class="button" disabled={set.isPending}>
          Set
        </button>
        {done && (
          <span class="good" role="status">
            {done}
          </span>
        )}
      </form>
      <FormError error={set.error} fields={["type", "id", "visibility"]} />
    </Section>
  );
}
