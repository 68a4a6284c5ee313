import { Fragment } from "preact";
import { useSearchParams } from "wouter-preact";
import { type Data, ask } from "../api/client.ts";
import { every } from "../api/pages.ts";
import { useAsk } from "../api/use.ts";
import { Bars } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { Icon } from "../ui/icons.tsx";
import { barsOf } from "../ui/save.ts";
import { Answered, Nothing } from "../ui/states.tsx";
import { ago, count, duration, many, moment, portion, words } from "../view/format.ts";
import { useView } from "../view/state.ts";

type Answer = Data<"Errors">["project"];
type Group = Answer["errors"]["groups"][number];
type Sample = Answer["failures"][number];

const UNTYPED = "No error type";
/** A type as the address and `failures` name it: empty for failures without one. */
const nameOf = (type: string | null): string => type ?? "";

/** What goes wrong: by type, since when, in which versions, for how many; and the last failures as they came. The type that is looked at is in the address. */
export default function Errors({ project }: { project: string }) {
  const { span, filter } = useView();
  const answer = useAsk("Errors", { slug: project, period: span.period, filter, first: 50 });
  return (
    <Answered answer={answer} height={500}>
      {({ project: { errors, failures } }) => {
        const tableOf = (groups: Group[]) => ({
          columns: ["type", "events", "share", "installs", "people", "first seen", "last seen", "versions"],
          rows: groups.map(({ type, events, share, installs, firstSeen, lastSeen, versions }) => [
            type ?? UNTYPED,
            events,
            share,
            installs.all,
            installs.people,
            firstSeen,
            lastSeen,
            versions.flatMap(({ version }) => version ?? []).join(" "),
          ]),
        });
        const table = () => tableOf(errors.groups);
        const all = async () =>
          tableOf(await every(async (first, offset) => (await ask("Errors", { slug: project, period: span.period, filter, first, offset, latest: 1 })).project.errors.groups));
        const others = errors.events - errors.failures;
        const note =
          errors.events > 0
            ? `${many(errors.failures, "failure")}${others > 0 ? ` and ${many(others, "other event")} with an error type` : ""}, ${many(errors.installs.all, "install")}`
            : "";
        return (
          <div class="stack">
            <Card title="By type" note={note} table={table} all={all} picture={() => barsOf(table(), count)} wide>
              {errors.groups.length === 0 ? <Nothing>Nothing failed in this period.</Nothing> : <Groups groups={errors.groups} project={project} />}
              {errors.types > errors.groups.length && <p class="others">and {many(errors.types - errors.groups.length, "more type")}</p>}
            </Card>
            <Card title="Last failures" note="as far as raw events are kept" wide>
              {failures.length === 0 ? <Nothing>None is kept of this period.</Nothing> : <Samples of={failures} typed />}
            </Card>
          </div>
        );
      }}
    </Answered>
  );
}

function Groups({ groups, project }: { groups: Group[]; project: string }) {
  const [params, setParams] = useSearchParams();
  const shown = params.get("error");
  const show = (type: string | null) =>
    setParams((old) => {
      const next = new URLSearchParams(old);
      if (type === null) next.delete("error");
      else next.set("error", type);
      return next;
    });
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Errors by type">
      <table class="single">
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
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <Fragment key={nameOf(group.type)}>
              <Row group={group} open={shown === nameOf(group.type)} show={show} />
              {shown === nameOf(group.type) && (
                <tr class="details">
                  <td colSpan={7}>
                    <Details group={group} project={project} />
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ group: { type, events, share, installs, firstSeen, lastSeen, firstEver, versions }, open, show }: { group: Group; open: boolean; show: (type: string | null) => void }) {
  const label = type ?? UNTYPED;
  const isNew = firstEver !== null && firstEver === firstSeen;
  const known = versions.flatMap(({ version }) => version ?? []);
  return (
    <tr class={open ? "picked" : ""}>
      <td class="rest">
        <button type="button" class="pick fold" aria-expanded={open} title={label} onClick={() => show(open ? null : nameOf(type))}>
          <Icon name="chevron" size={14} /> <span class={type === null ? "cut soft" : "cut"}>{label}</span>
        </button>
      </td>
      <td class="figure">{count(events)}</td>
      <td class="figure">{portion(share)}</td>
      <td class="figure">{count(installs.all)}</td>
      <td title={moment(lastSeen)}>{ago(lastSeen)}</td>
      <td title={isNew ? `${moment(firstSeen)}: the first time ever` : `${moment(firstSeen)}; the first time ever was ${moment(firstEver)}`}>
        {ago(firstSeen)} {isNew && <span class="tag">new</span>}
      </td>
      <td>
        {known.slice(0, 3).map((version) => (
          <span class="tag" key={version}>
            {version}
          </span>
        ))}
        {known.length > 3 && <span class="soft">+{known.length - 3}</span>}
        {known.length === 0 && <span class="soft">not said</span>}
      </td>
    </tr>
  );
}

/** All of one type of error: when, where, in which versions, and the last that are still kept. */
function Details({ group: { type, events: affected, installs, firstSeen, lastSeen, firstEver, names, versions }, project }: { group: Group; project: string }) {
  const { span, filter, pick, filters } = useView();
  const answer = useAsk("ErrorSamples", { slug: project, errorType: nameOf(type), period: span.period, filter });
  return (
    <div class="error-details">
      <dl class="facts">
        <div>
          <dt>First time ever</dt>
          <dd>{moment(firstEver)}</dd>
        </div>
        <div>
          <dt>First seen here</dt>
          <dd>{moment(firstSeen)}</dd>
        </div>
        <div>
          <dt>Last seen here</dt>
          <dd>{moment(lastSeen)}</dd>
        </div>
        <div>
          <dt>Met</dt>
          <dd>
            {many(installs.all, "install")}, {many(installs.people, "person", "people")}
          </dd>
        </div>
        <div>
          <dt>In</dt>
          <dd>
            {names.map((name) => (
              <button type="button" class="tag" key={name} title={`Show ${name} only`} aria-pressed={filters.name === name} onClick={() => pick("name", filters.name === name ? null : name)}>
                {name}
              </button>
            ))}
          </dd>
        </div>
      </dl>
      <Bars
        title="Affected versions"
        total={affected}
        by="version"
        bars={versions.map(({ version, events }) => ({ value: version, label: version ?? "not said", amount: events }))}
      />
      <Answered answer={answer} height={120}>
        {({ project: { failures } }) => (
          <Card title="Sample" note="the last that are kept" wide>
            {failures.length === 0 ? <Nothing>None is kept of this period.</Nothing> : <Samples of={failures} />}
          </Card>
        )}
      </Answered>
    </div>
  );
}

/** Failures as they came, with their type where they may have several. */
function Samples({ of, typed = false }: { of: Sample[]; typed?: boolean }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={typed ? "Failures" : "Samples"}>
      <table class="single">
        <thead>
          <tr>
            {["When", "What", typed ? "Error" : "Message", "Who", "Version", "System", "Took"].map((name) => (
              <th scope="col" key={name} class={name === "Took" ? "figure" : ""}>
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
              <td class="message">
                {typed && <b>{each.errorType ?? "no type"}</b>} <span class="soft">{each.message}</span>
              </td>
              <td>{words(each.environment)}</td>
              <td>{each.version}</td>
              <td>{[each.os, each.arch].filter(Boolean).join(" ")}</td>
              <td class="figure">{duration(each.duration)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
