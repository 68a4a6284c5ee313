import { useState } from "preact/hooks";
import { useChange } from "../../api/use.ts";
import { FormError } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { Copyable } from "../../ui/states.tsx";
import type { ProjectSettings } from "./project.tsx";
import { ORIGIN } from "../../view/base.ts";

const PARTS = {
  COUNTERS: "Counts of public targets: /counts",
  TRENDING: "Trending targets",
  BADGES: "Badges for a README",
  STATS: "Statistics: /stats",
  ANALYTICS: "Analytics: /analytics/…",
  DASHBOARD: "This dashboard: charts only, no lists of events or installs",
} as const;
type Part = keyof typeof PARTS;

/** Public parts of a project, with the address and the embed code. */
export function Sharing({ slug, settings }: { slug: string; settings: ProjectSettings }) {
  const [own, setOwn] = useState(settings.public !== null);
  const [chosen, setChosen] = useState(new Set<Part>(settings.public ?? []));
  const update = useChange("UpdateProject");
  const shared = own && chosen.has("DASHBOARD");
  const toggle = (part: Part, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(part);
    else next.delete(part);
    setChosen(next);
  };
  return (
    <Section title="Public access" about="Parts of this project that need no login. Raw events and lists of installs are never public.">
      <div class="fields">
        <label class="check">
          <input type="checkbox" checked={!own} onChange={(event) => setOwn(!event.currentTarget.checked)} /> Use the server's default (FOOTFALL_PUBLIC)
        </label>
        {own &&
          (Object.entries(PARTS) as [Part, string][]).map(([part, about]) => (
            <label class="check" key={part}>
              <input type="checkbox" checked={chosen.has(part)} onChange={(event) => toggle(part, event.currentTarget.checked)} /> {about}
            </label>
          ))}
        <FormError error={update.error} />
        <div class="inline">
          <button type="button" class="button strong" disabled={update.isPending} onClick={() => update.mutate({ slug, changes: { public: own ? [...chosen] : null } })}>
            Save
          </button>
          {update.isSuccess && (
            <span class="good" role="status">
              Saved
            </span>
          )}
        </div>
        {shared && (
          <div>
            <p>Public dashboard:</p>
            <Copyable label="Public dashboard URL" text={`${ORIGIN}/d/${slug}`} />
            <p>To embed a chart (active, events, versions, os, runtimes or package-managers):</p>
            <Copyable
              label="Embed code"
              text={`<iframe src="${ORIGIN}/embed/${slug}/active?range=90d" width="640" height="340" loading="lazy" style="border:0"></iframe>`}
            />
          </div>
        )}
      </div>
    </Section>
  );
}
