import { useState } from "preact/hooks";
import { useChange } from "../../api/use.ts";
import { Field, FormError, given } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { words } from "../../view/format.ts";

const WHO_SEES = { PUBLIC: "everybody sees its counts", UNLISTED: "counted, in no public list", PRIVATE: "nobody sees it without a key" } as const;
type Visibility = keyof typeof WHO_SEES;

/** Lists a pack, a snippet or a tool, and says who may see its counts. */
export function Targets({ slug }: { slug: string }) {
  const set = useChange("SetTarget");
  const [done, setDone] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const target = { type: given(form, "type"), id: given(form, "id"), visibility: given(form, "visibility") as Visibility };
    setDone("");
    set.mutate({ slug, ...target }, { onSuccess: () => setDone(`${target.id} is ${target.visibility.toLowerCase()}.`) });
  };
  return (
    <Section title="Targets" about="What events are about: packs, snippets, tools. Those that come are unlisted until they are made public or private here.">
      <form class="inline" onSubmit={submit}>
        <Field label="Type" name="type" error={set.error}>
          <input name="type" required maxLength={64} class="narrow" placeholder="pack" spellcheck={false} autocapitalize="none" />
        </Field>
        <Field label="Id" name="id" error={set.error}>
          <input name="id" required maxLength={200} spellcheck={false} autocapitalize="none" />
        </Field>
        <Field label="Who sees it" name="visibility" error={set.error}>
          <select name="visibility">
            {Object.entries(WHO_SEES).map(([visibility, about]) => (
              <option key={visibility} value={visibility}>
                {words(visibility)}: {about}
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
