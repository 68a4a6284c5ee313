import { useSearchParams } from "wouter-preact";
import type { Data } from "../api/client.ts";
import { useAsk } from "../api/use.ts";
import { Bars } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { barsOf } from "../ui/save.ts";
import { Answered, Nothing } from "../ui/states.tsx";
import { ago, count, number, words } from "../view/format.ts";
import { targetText, useView } from "../view/state.ts";

const WINDOWS = [1, 7, 30] as const;

/** Packs, snippets and whatever else events are about: what is wanted, and what is on its way up. */
export default function Downloads({ project }: { project: string }) {
  const { span, filter } = useView();
  const [params, setParams] = useSearchParams();
  const vocabulary = useAsk("Vocabulary", { slug: project, period: span.period });
  const types = vocabulary.data?.project.vocabulary.targetTypes ?? [];
  const type = params.get("type") ?? "";
  const days = WINDOWS.find((window) => String(window) === params.get("window")) ?? 7;
  const put = (name: string, value: string) =>
    setParams((old) => {
      const next = new URLSearchParams(old);
      if (value) next.set(name, value);
      else next.delete(name);
      return next;
    });
  const answer = useAsk("Targets", {
    slug: project,
    period: span.period,
    filter: type && !filter.target ? { ...filter, targetType: type } : filter,
    first: 25,
    type: type || null,
    days,
  });
  return (
    <>
      <div class="choose">
        <div class="segments" role="group" aria-label="Type">
          {["", ...types].map((each) => (
            <button type="button" key={each} aria-pressed={type === each} onClick={() => put("type", each)}>
              {each ? words(each) : "All types"}
            </button>
          ))}
        </div>
      </div>
      <Answered answer={answer} height={500}>
        {({ project: { targets, trending } }) => (
          <div class="grid">
            <Bars
              title="In this period"
              by="target"
              bars={targets.map((each) => ({ value: targetText(each.type, each.id), label: each.id, amount: each.events, ...(type ? {} : { kind: each.type }) }))}
            />
            <Bars title="Ever" by="target" bars={byTotal(targets, type === "")} note="events of the same" />
            <Trending of={trending} days={days} choose={(window) => put("window", window === 7 ? "" : String(window))} />
          </div>
        )}
      </Answered>
    </>
  );
}

type Targets = Data<"Targets">["project"];

const byTotal = (targets: Targets["targets"], typed: boolean) =>
  targets
    .map((each) => ({ value: targetText(each.type, each.id), label: each.id, amount: each.total, ...(typed ? { kind: each.type } : {}) }))
    .toSorted((one, other) => other.amount - one.amount);

const COUNTERS = ["views", "copies", "downloads", "uses", "exports", "favorites", "comments", "votesUp", "votesDown"] as const;
const NAMES: Record<(typeof COUNTERS)[number], string> = {
  views: "Views",
  copies: "Copies",
  downloads: "Downloads",
  uses: "Uses",
  exports: "Exports",
  favorites: "Favourites",
  comments: "Comments",
  votesUp: "Votes for",
  votesDown: "Votes against",
};

function Trending({ of: { refreshedAt, targets }, days, choose }: { of: Targets["trending"]; days: number; choose: (window: number) => void }) {
  const used = COUNTERS.filter((name) => targets.some(({ counters }) => counters[name] > 0));
  const table = () => ({
    columns: ["target", "score", "type", "events", ...used],
    rows: targets.map(({ targetId, score, targetType, events, counters }) => [targetId, score, targetType, events, ...used.map((name) => counters[name])]),
  });
  return (
    <Card title="Trending" note={refreshedAt ? `as of ${ago(refreshedAt)}` : "not worked out yet"} table={table} picture={() => barsOf(table(), number)} wide>
      <div class="segments" role="group" aria-label="Window">
        {WINDOWS.map((window) => (
          <button type="button" key={window} aria-pressed={days === window} onClick={() => choose(window)}>
            {window === 1 ? "1 day" : `${window} days`}
          </button>
        ))}
      </div>
      {targets.length === 0 ? (
        <Nothing>Nothing is on its way up in this window.</Nothing>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Trending">
          <table class="single">
            <thead>
              <tr>
                <th scope="col">Target</th>
                <th scope="col" class="figure">
                  Score
                </th>
                <th scope="col" class="figure">
                  Events
                </th>
                {used.map((name) => (
                  <th scope="col" class="figure" key={name}>
                    {NAMES[name]}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {targets.map(({ targetId, targetType, score, events, counters }) => (
                <tr key={`${targetType} ${targetId}`}>
                  <td class="rest" title={targetId}>
                    <b>{targetId}</b> <span class="soft">{targetType}</span>
                  </td>
                  <td class="figure">{number(score)}</td>
                  <td class="figure">{count(events)}</td>
                  {used.map((name) => (
                    <td class={counters[name] ? "figure" : "figure none"} key={name}>
                      {count(counters[name])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
