import { useState } from "preact/hooks";
import { useOperation } from "../api/use.ts";
import type { InstallFilterInput } from "../generated/operations.ts";
import { Card } from "../ui/card.tsx";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { ago, count, moment, toLabel } from "../view/format.ts";
import { isOfInstalls } from "../view/conditions.ts";
import { useView } from "../view/state.ts";

const A_PAGE = 20;

/** The list of installs, each identified by an anonymous hash. */
export function InstallList({ project }: { project: string }) {
  const { people, where } = useView();
  const filter: InstallFilterInput = { people, where: where.filter(isOfInstalls) };
  const isPartial = !where.every(isOfInstalls);
  return <Pages key={JSON.stringify([project, filter])} project={project} filter={filter} isPartial={isPartial} />;
}

function Pages({ project, filter, isPartial }: { project: string; filter: InstallFilterInput; isPartial: boolean }) {
  const [cursors, setCursors] = useState<(string | null)[]>([null]);
  const answer = useOperation("Installs", { slug: project, filter, first: A_PAGE, after: cursors.at(-1) ?? null });
  return (
    <QueryResult answer={answer} height={420}>
      {({ project: { installs } }) => (
        <Card title="Installs" note={`${count(installs.totalCount)} known, most recently seen first${isPartial ? "; filtered only by system, architecture, runtime, version, package manager and environment" : ""}`} wide>
          {installs.nodes.length === 0 ? (
            <EmptyState>No installs match. Remove a filter to see more.</EmptyState>
          ) : (
            <div class="scroll" tabIndex={0} role="region" aria-label="Installs">
              <table class="single">
                <thead>
                  <tr>
                    {["Install", "Last seen", "First seen", "Environment", "Version", "System", "Runtime", "Recent events"].map((name) => (
                      <th scope="col" key={name}>
                        {name}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {installs.nodes.map((each) => (
                    <tr key={each.hash}>
                      <td class="mono">{each.hash}</td>
                      <td title={moment(each.lastSeen)}>{ago(each.lastSeen)}</td>
                      <td title={moment(each.firstSeen)}>{ago(each.firstSeen)}</td>
                      <td title={each.environmentReason ?? undefined}>{toLabel(each.environment)}</td>
                      <td>{each.version}</td>
                      <td>{[each.os, each.arch].filter(Boolean).join(" ")}</td>
                      <td>{each.runtime}</td>
                      <td class="soft rest" title={each.events.map(({ name }) => name).join(", ")}>
                        {each.events.map(({ name }) => name).join(", ")}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          <div class="pager">
            <button type="button" class="button" disabled={cursors.length < 2} onClick={() => setCursors(cursors.slice(0, -1))}>
              Newer
            </button>
            <button
              type="button"
              class="button"
              disabled={!installs.pageInfo.hasNextPage}
              onClick={() => setCursors([...cursors, installs.pageInfo.endCursor ?? null])}
            >
              Older
            </button>
          </div>
        </Card>
      )}
    </QueryResult>
  );
}
