import { useRef, useState } from "preact/hooks";
import { useChange } from "../../api/use.ts";
import { Card } from "../../ui/card.tsx";
import { Confirmed, Field, FormError } from "../../ui/form.tsx";
import { count } from "../../view/format.ts";

/** Somebody asks that what is held of their install be erased, and brings its id. */
export function Erasure({ slug }: { slug: string }) {
  const erase = useChange("EraseInstall");
  const [id, setId] = useState("");
  const done = useRef("");
  return (
    <Card title="Erase an install">
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
                    done.current = `Erased: ${count(eraseInstall.events)} events, ${count(eraseInstall.days)} days.`;
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
    </Card>
  );
}
