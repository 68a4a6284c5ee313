import { useRef, useState } from "preact/hooks";
import { useChange } from "../../api/use.ts";
import { Confirmed, Field, FormError } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { many } from "../../view/format.ts";

/** Somebody asks that what is held of their install be erased, and brings its id. */
export function Erasure({ slug }: { slug: string }) {
  const erase = useChange("EraseInstall");
  const [id, setId] = useState("");
  const done = useRef("");
  return (
    <Section title="Erase an install" about="For somebody who asks that what is held of their install be erased, and brings its id. It cannot be undone.">
      <div class="fields">
        <Field
          label="The id that the install sends"
          name="installationId"
          error={erase.error}
          about="Its events, its days of activity and its row go at once. Sums stay, and nothing in them leads to it. Backups made before still hold it."
        >
          <input value={id} spellcheck={false} autocomplete="off" maxLength={200} onInput={(event) => setId(event.currentTarget.value)} />
        </Field>
        <div class="inline">
          <Confirmed
            label="Erase"
            disabled={id.trim() === "" || erase.isPending}
            question="All that is held of this install goes, for good."
            act={() =>
              erase.mutate(
                { slug, installationId: id.trim() },
                {
                  onSuccess: ({ eraseInstall }) => {
                    done.current = `Erased: ${many(eraseInstall.events, "event")}, ${many(eraseInstall.days, "day")}.`;
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
