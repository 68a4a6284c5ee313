import { Fragment } from "preact";
import { type Data, runOperation } from "../api/client.ts";
import { fetchAllRows } from "../api/pages.ts";
import { useOperation } from "../api/use.ts";
import { Bars } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { Icon } from "../ui/icons.tsx";
import { barsOf } from "../ui/save.ts";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { ago, count, duration, plural, moment, portion, toLabel } from "../view/format.ts";
import { useParams } from "../view/address.ts";
import { errorQuestion, isError, rowsFor, useExploreLink } from "../view/explore-link.ts";
import { isValue, splitBy } from "../view/conditions.ts";
import { useView } from "../view/state.ts";

type Answer = Data<"Errors">["project"];
type Group = Answer["errors"]["groups"][number];
type Sample = Answer["failures"][number];

const UNTYPED = "No error type";
/** A type as the address and `failures` encode it: empty for failures without a type. */
const nameOf = (type: string | null): string => type ?? "";

/** Errors page: error types with dates, versions and installs, and the latest failures. The expanded type is in the address. */
export default function Errors({ project }: { project: string }) {
  const { span, filter } = useView();
  const explore = useExploreLink(project);
  const answer = useOperation("Errors", { slug: project, period: span.period, filter, first: 50 });
  return (
    <QueryResult answer={answer} height={500}>
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
          tableOf(await fetchAllRows(async (first, offset) => (await runOperation("Errors", { slug: project, period: span.period, filter, first, offset, latest: 1 })).project.errors.groups));
        const others = errors.events - errors.failures;
        const note =
          errors.events > 0
            ? `${plural(errors.failures, "failure")}${others > 0 ? ` and ${plural(others, "other event")} with an error type` : ""}, ${plural(errors.installs.all, "install")}`
            : "";
        return (
          <div class="stack">
            <Card title="By type" note={note} table={table} all={all} picture={() => barsOf(table(), count)} explore={explore({ ...errorQuestion(errors.events, errors.failures), first: rowsFor(errors.groups.length) })} wide>
              {errors.groups.length === 0 ? <EmptyState>No failures in this period.</EmptyState> : <Groups groups={errors.groups} project={project} />}
              {errors.types > errors.groups.length && <p class="others">and {plural(errors.types - errors.groups.length, "more type")}</p>}
            </Card>
            <Card title="Latest failures" note="by arrival, from raw events within the retention period" wide>
              {failures.length === 0 ? <EmptyState>No raw events of this period are retained.</EmptyState> : <Samples of={failures} typed />}
            </Card>
          </div>
        );
      }}
    </QueryResult>
  );
}

function Groups({ groups, project }: { groups: Group[]; project: string }) {
  const [params, setParams] = useParams();
  const shown = params.get("error");
  const tagsNew = groups.length === 1 || !groups.every(isNew); // if every type is new, the tags are of no use
  const show = (type: string | null) => setParams((next) => (type === null ? next.delete("error") : next.set("error", type)));
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
              <Row group={group} open={shown === nameOf(group.type)} show={show} tagsNew={tagsNew} />
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

/** True for a type whose first event ever is in the period. */
const isNew = ({ firstSeen, firstEver }: Group): boolean => firstEver !== null && firstEver === firstSeen;

function Row({ group, open, show, tagsNew }: { group: Group; open: boolean; show: (type: string | null) => void; tagsNew: boolean }) {
  const { type, events, share, installs, firstSeen, lastSeen, firstEver, versions } = group;
  const label = type ?? UNTYPED;
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
      <td title={isNew(group) ? `${moment(firstSeen)}: first occurrence ever` : `${moment(firstSeen)}; first occurrence ever: ${moment(firstEver)}`}>
        {ago(firstSeen)} {tagsNew && isNew(group) && <span class="tag">new</span>}
      </td>
      <td>
        {known.slice(0, 3).map((version) => (
          <span class="tag" key={version}>
            {version}
          </span>
        ))}
        {known.length > 3 && <span class="soft">+{known.length - 3}</span>}
        {known.length === 0 && <span class="soft">not reported</span>}
      </td>
    </tr>
  );
}

/** Details of one error type: dates, events, affected versions and the latest samples. */
function Details({ group: { type, events: affected, installs, firstSeen, lastSeen, firstEver, names, versions }, project }: { group: Group; project: string }) {
  const { span, filter, isSet, toggle } = useView();
  const explore = useExploreLink(project);
  const answer = useOperation("ErrorSamples", { slug: project, errorType: nameOf(type), period: span.period, filter });
  return (
    <div class="error-details">
      <dl class="facts">
        <div>
          <dt>First ever</dt>
          <dd>{moment(firstEver)}</dd>
        </div>
        <div>
          <dt>First in period</dt>
          <dd>{moment(firstSeen)}</dd>
        </div>
        <div>
          <dt>Last in period</dt>
          <dd>{moment(lastSeen)}</dd>
        </div>
        <div>
          <dt>Affected</dt>
          <dd>
            {plural(installs.all, "install")}, {plural(installs.people, "person", "people")}
          </dd>
        </div>
        <div>
          <dt>Events</dt>
          <dd>
            {names.map((name) => (
              <button type="button" class="tag" key={name} title={`Show only ${name}`} aria-pressed={isSet([isValue("name", name)])} onClick={() => toggle([isValue("name", name)])}>
                {name}
              </button>
            ))}
          </dd>
        </div>
      </dl>
      <Bars
        title="Affected versions"
        explore={explore({ measures: ["EVENTS"], where: isError(type), by: [splitBy("version")], chart: "bars" })}
        total={affected}
        bars={versions.map(({ version, events }) => ({ where: [isValue("version", version)], label: version ?? "not reported", amount: events }))}
      />
      <QueryResult answer={answer} height={120}>
        {({ project: { failures } }) => (
          <Card title="Samples" note="latest retained events" wide>
            {failures.length === 0 ? <EmptyState>No raw events of this period are retained.</EmptyState> : <Samples of={failures} />}
          </Card>
        )}
      </QueryResult>
    </div>
  );
}

/** Individual failures; `typed` adds the error type for lists that mix several. */
function Samples({ of, typed = false }: { of: Sample[]; typed?: boolean }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={typed ? "Failures" : "Samples"}>
      <table class="single">
        <thead>
          <tr>
            {["Time", "Event", typed ? "Error" : "Message", "Environment", "Version", "System", "Duration"].map((name) => (
              <th scope="col" key={name} class={name === "Duration" ? "figure" : ""}>
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
                {typed && (each.errorType === null ? <span class="soft">{UNTYPED}</span> : <b>{each.errorType}</b>)} <span class="soft">{each.message}</span>
              </td>
              <td>{toLabel(each.environment)}</td>
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
