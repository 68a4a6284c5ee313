import { type Data, runOperation } from "../api/client.ts";
import { fetchAllRows } from "../api/pages.ts";
import { useOperation } from "../api/use.ts";
import type { EventFilter, PeriodInput } from "../generated/operations.ts";
import { type Bar, Bars } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { barsOf } from "../ui/save.ts";
import { QueryResult, EmptyState } from "../ui/states.tsx";
import { ago, count, number, toLabel } from "../view/format.ts";
import { useParams } from "../view/address.ts";
import { BY_TARGET, rowsFor, useExploreLink } from "../view/explore-link.ts";
import { type Condition, isValue } from "../view/conditions.ts";
import { targetConditions, useView } from "../view/state.ts";

const WINDOWS = [1, 7, 30] as const;

const DOWNLOAD = "download";

/** Downloads page: the most popular and the trending targets. Counts downloads when there are any, all events otherwise. */
export default function Downloads({ project }: { project: string }) {
  const { span, filter, where } = useView();
  const [params, setParams] = useParams();
  const vocabulary = useOperation("Vocabulary", { slug: project, period: span.period });
  return (
    <QueryResult answer={vocabulary} height={500}>
      {({ project: { vocabulary: words } }) => <Counted project={project} words={words} params={params} setParams={setParams} filter={filter} where={where} period={span.period} />}
    </QueryResult>
  );
}

interface CountedProps {
  project: string;
  words: Data<"Vocabulary">["project"]["vocabulary"];
  params: URLSearchParams;
  setParams: ReturnType<typeof useParams>[1];
  filter: EventFilter;
  where: Condition[];
  period: PeriodInput;
}

function Counted({ project, words: vocabulary, params, setParams, filter, where, period }: CountedProps) {
  const type = params.get("type") ?? "";
  const days = WINDOWS.find((window) => String(window) === params.get("window")) ?? 7;
  const put = (name: string, value: string) =>
    setParams((next) => (value ? next.set(name, value) : next.delete(name)));
  const named = where.find(({ field }) => field === "name");
  const downloads = vocabulary.names.includes(DOWNLOAD) && params.get("count") !== "events" && !named;
  const names = named?.op === "IS" ? named.values : downloads ? [DOWNLOAD] : null;
  const chosen = type && !where.some(({ field }) => field === "target_type") ? [isValue("target_type", type)] : [];
  const own = [...(downloads ? [isValue("name", DOWNLOAD)] : []), ...chosen];
  const counted: EventFilter = { ...filter, where: [...where, ...own] };
  const common = { slug: project, period, filter: counted, names, type: type || null, days };
  const answer = useOperation("Targets", { ...common, first: 25 });
  const explore = useExploreLink(project);
  const unit = downloads ? "downloads" : "events";
  const barOf = (each: { type: string; id: string; events: number }): Bar => ({
    where: targetConditions(each.type, each.id),
    label: each.id,
    amount: each.events,
    ...(type ? {} : { kind: each.type }),
  });
  const everything = (of: "targets" | "targetTotals") => async () =>
    (await fetchAllRows<{ type: string; id: string; events: number }>(async (first, offset) => (await runOperation("Targets", { ...common, first, offset })).project[of])).map(barOf);
  const isFiltered = filter.audience !== undefined || where.some((condition) => condition !== named || condition.op !== "IS");
  return (
    <>
      <div class="choose">
        <div class="segments" role="group" aria-label="Type">
          {["", ...vocabulary.targetTypes].map((each) => (
            <button type="button" key={each} aria-pressed={type === each} onClick={() => put("type", each)}>
              {each ? toLabel(each) : "All types"}
            </button>
          ))}
        </div>
        {vocabulary.names.includes(DOWNLOAD) && !named && (
          <div class="segments" role="group" aria-label="Count">
            <button type="button" aria-pressed={downloads} onClick={() => put("count", "")}>
              Downloads
            </button>
            <button type="button" aria-pressed={!downloads} title="Downloads, previews, views and all other events about a target" onClick={() => put("count", "events")}>
              All events
            </button>
          </div>
        )}
      </div>
      <QueryResult answer={answer} height={500}>
        {({ project: { targets, together, targetTotals, trending } }) => (
          <div class="grid">
            <Bars title="This period" explore={explore({ measures: ["EVENTS"], ...BY_TARGET, where: [...own, ...BY_TARGET.where], chart: "bars", first: rowsFor(targets.length) })} unit={unit} bars={targets.map(barOf)} others={othersOf(targets, together)} all={everything("targets")} />
            <Bars title="All time" unit={unit} note={isFiltered ? `${unit}, not filtered` : unit} total={0} bars={targetTotals.map(barOf)} all={everything("targetTotals")} />
            <Trending of={trending} days={days} choose={(window) => put("window", window === 7 ? "" : String(window))} />
          </div>
        )}
      </QueryResult>
    </>
  );
}

type Targets = Data<"Targets">["project"];

/** Targets beyond those shown, with their events: shares are of the total. */
function othersOf(targets: Targets["targets"], { rows, otherValues, otherEvents }: Targets["together"]) {
  const [events, shown] = [rows, targets].map((of) => of.reduce((sum, row) => sum + row.events, 0)) as [number, number];
  return { values: rows.length + otherValues - targets.length, amount: events + otherEvents - shown };
}

function Trending({ of: { refreshedAt, targets }, days, choose }: { of: Targets["trending"]; days: number; choose: (window: number) => void }) {
  const table = () => ({
    columns: ["target", "score", "type", "events"],
    rows: targets.map(({ targetId, score, targetType, events }) => [targetId, score, targetType, events]),
  });
  return (
    <Card title="Trending" note={refreshedAt ? `all events in the window, as of ${ago(refreshedAt)}` : "not computed yet"} table={table} picture={() => barsOf(table(), number)} wide>
      <div class="segments" role="group" aria-label="Window">
        {WINDOWS.map((window) => (
          <button type="button" key={window} aria-pressed={days === window} onClick={() => choose(window)}>
            {window === 1 ? "1 day" : `${window} days`}
          </button>
        ))}
      </div>
      {targets.length === 0 ? (
        <EmptyState>No trending targets in this window. Try a longer one.</EmptyState>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Trending">
          <table class="single few">
            <thead>
              <tr>
                <th scope="col">Target</th>
                <th scope="col" class="figure">
                  Score
                </th>
                <th scope="col" class="figure">
                  Events
                </th>
              </tr>
            </thead>
            <tbody>
              {targets.map(({ targetId, targetType, score, events }) => (
                <tr key={`${targetType} ${targetId}`}>
                  <td class="rest" title={targetId}>
                    <b>{targetId}</b> <span class="soft">{targetType}</span>
                  </td>
                  <td class="figure">{number(score)}</td>
                  <td class="figure">{count(events)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
