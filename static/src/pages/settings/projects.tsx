import { Link } from "wouter-preact";
import { useChange, useProjects } from "../../api/use.ts";
import { FormError } from "../../ui/form.tsx";
import { Section } from "../../ui/section.tsx";
import { QueryResult } from "../../ui/states.tsx";
import { useAccount } from "../../view/account.ts";
import NewProject from "./new-project.tsx";

/** All projects, including archived ones, and a form that creates one. */
export function Projects() {
  const { projects: active } = useAccount();
  const answer = useProjects({ archived: true });
  const restore = useChange("RestoreProject");
  const isActive = (slug: string) => active.some((each) => each.slug === slug);
  return (
    <Section title="Projects" about="One project per tool, each with its own events, keys, limits and retention.">
      <QueryResult answer={answer}>
        {({ projects }) => (
          <ul class="rows">
            {projects.map(({ slug, name, firstEvent }) => (
              <li key={slug}>
                <div>
                  {isActive(slug) ? <Link href={`/d/${slug}/settings`}>{name}</Link> : <b>{name}</b>} <code>{slug}</code>
                  {!firstEvent && <span class="soft">no events yet</span>}
                  {!isActive(slug) && (
                    <span class="row-figure inline">
                      <span class="tag">archived</span>
                      <button type="button" class="button" disabled={restore.isPending} onClick={() => restore.mutate({ slug })}>
                        Restore
                      </button>
                    </span>
                  )}
                </div>
              </li>
            ))}
          </ul>
        )}
      </QueryResult>
      <FormError error={restore.error} />
      <NewProject />
    </Section>
  );
}
