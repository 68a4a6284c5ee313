import { useRef, useState } from "preact/hooks";
import { useChange } from "../../api/use.ts";
import { ConfirmButton, Field, FormError } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { plural } from "../../view/format.ts";

/** Form that erases all data of one install. */
export function Erasure({ slug }: { slug: string }) {
  const erase = useChange("EraseInstall");
  const [id, setId] = useState("");
  const done = useRef("");
  return (
    <Section title="Erase an install" about="Erases the data of one install, for a user who requests it and provides the installation ID. This cannot be undone.">
      <div class="fields">
        <Field
          label="Installation ID"
          name="installationId"
          error={erase.error}
          about="Deletes its events, activity and record at once. Aggregated counts stay; they cannot be traced to the install. Existing backups still contain its data."
        >
          <input value={id} spellcheck={false} autocomplete="off" maxLength={200} onInput={(event) => setId(event.currentTarget.value)} />
        </Field>
        <div class="inline">
          <ConfirmButton
            label="Erase"
            disabled={id.trim() === "" || erase.isPending}
            question="This permanently deletes all data of this install."
            act={() =>
              erase.mutate(
                { slug, installationId: id.trim() },
                {
                  onSuccess: ({ eraseInstall }) => {
                    done.current = `Erased: ${plural(eraseInstall.events, "event")}, ${plural(eraseInstall.days, "day")}.`;
                    setId("");
                  },
                },
              )
            }
          />
          {erase.isSuccess && (
            <span class="good" role="status">
              {done.current}
            </span>
          )}
        </div>
        <FormError error={erase.error} fields={["installationId"]} />
      </div>
    </Section>
  );
}
