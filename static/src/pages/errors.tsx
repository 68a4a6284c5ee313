import { useState } from "preact/hooks";
import type { Data } from "../api/client.ts";
import { useAsk } from "../api/use.ts";
import { Card } from "../ui/card.tsx";
import { barsOf } from "../ui/save.ts";
import { Answered, Nothing } from "../ui/states.tsx";
import { ago, count, duration, moment, percent, words } from "../view/format.ts";
import { useView } from "../view/state.ts";

type Group = Data<"Errors">["project"]["errors"]["groups"][number];

/** What goes wrong: by type, in which versions, for how many; and the last failures as they came. */
export default function Errors({ project }: { project: string }) {
  const { span, filter } = useView();
  const answer = useAsk("Errors", { slug: project, period: span.period, filter, first: 50 });
  const [shown, setShown] = useState<string | null>(null);
  return (
    <Answered answer={answer} height={500}>
      {({ project: { errors, failures } }) => {
        const table = () => ({
          columns: ["type", "events", "installs", "people", "first seen", "last seen"],
          rows: errors.groups.map(({ type, events, installs, firstSeen, lastSeen }) => [type, events, installs.all, installs.people, firstSeen, lastSeen]),
        });
        const samples = failures.filter(({ errorType }) => shown === null || errorType === shown);
        return (
          <div class="stack">
            <Card
              title="By type"
              note={`${count(errors.events)} events, ${count(errors.installs.all)} installs`}
              table={table}
              picture={() => barsOf(table(), count)}
              wide
            >
              {errors.groups.length === 0 ? (
                <Nothing>Nothing failed with an error in this period.</Nothing>
              ) : (
                <Groups groups={errors.groups} shown={shown} show={setShown} />
              )}
              {errors.types > errors.groups.length && <p class="others">and {count(errors.types - errors.groups.length)} more types</p>}
            </Card>
            <Card title={shown === null ? "Last failures" : `Last failures with ${shown}`} note="as far as raw events are kept" wide>
              {samples.length === 0 ? <Nothing>None is kept of this period.</Nothing> : <Samples of={samples} />}
            </Card>
          </div>
        );
      }}
    </Answered>
  );
}

function Groups({ groups, shown, show }: { groups: Group[]; shown: string | null; show: (type: string | null) => void }) {
  const { pick } = useView();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Errors by type">
      <table>
        <thead>
          <tr>
            <th scope="col">Type</th>
            <th scope="col" class="figure">
              Events
            </th>
            <th scope="col" class="figure">
              Share
            </th>
            <th scope="col" class="figure">
              Installs
            </th>
            <th scope="col">Last seen</th>
            <th scope="col">First seen</th>
            <th scope="col">Versions</th>
            <th scope="col">In</th>
          </tr>
        </thead>
        <tbody>
          {groups.map(({ type, events, share, installs, firstSeen, lastSeen, versions, names }) => (
            <tr key={type} class={shown === type ? "picked" : ""}>
              <td>
                <button type="button" class="pick" aria-pressed={shown === type} onClick={() => show(shown === type ? null : type)}>
                  {type}
                </button>
              </td>
              <td class="figure">{count(events)}</td>
              <td class="figure">{percent(share)}</td>
              <td class="figure">{count(installs.all)}</td>
              <td title={moment(lastSeen)}>{ago(lastSeen)}</td>
              <td title={moment(firstSeen)}>{ago(firstSeen)}</td>
              <td>
                {versions.slice(0, 4).map(({ version, events: some }) => (
                  <button type="button" class="tag" key={version} title={`${count(some)} events`} disabled={version === null} onClick={() => pick("version", version)}>
                    {version ?? "not said"}
                  </button>
                ))}
              </td>
              <td class="soft">{names.join(", ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Samples({ of }: { of: Data<"Errors">["project"]["failures"] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Failures">
      <table>
        <thead>
          <tr>
            {["When", "What", "Error", "Who", "Version", "System", "Took"].map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {of.map((each) => (
            <tr key={each.id}>
              <td title={moment(each.at)}>{ago(each.at)}</td>
              <td>
                {each.name} {each.target && <span class="soft">{each.target}</span>}
              </td>
              <td>
                <b>{each.errorType ?? "–"}</b> <span class="soft">{each.message}</span>
              </td>
              <td>{words(each.environment)}</td>
              <td>{each.version}</td>
              <td>{each.os}</td>
              <td class="figure">{duration(each.duration)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
