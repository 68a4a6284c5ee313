import type { ComponentChildren } from "preact";
import type { Condition } from "../view/conditions.ts";
import { useView } from "../view/state.ts";
import { count, portion } from "../view/format.ts";
import { Card } from "./card.tsx";
import { type Table, barsOf } from "./save.ts";
import { EmptyState } from "./states.tsx";

export interface Bar {
  /** Conditions that a click sets; null if the bar is not clickable. */
  where: Condition[] | null;
  label: string;
  amount: number;
  /** Text in place of the amount, such as a dash for an unknown one. */
  text?: string;
  /** Additional remark, such as a low success rate. */
  aside?: string;
  /** Category, such as the type of a target. */
  kind?: string;
  /** The bar counts all values that are not listed. */
  rest?: boolean;
}

interface Props {
  title: string;
  bars: Bar[];
  /** Values beyond the bars and their total; null if totals do not add up. */
  others?: { values: number; amount: number | null } | undefined;
  /** Fetches all rows for the CSV file. */
  all?: (() => Promise<Bar[]>) | undefined;
  /** Amount without a value in this dimension; part of the total for shares. */
  unreported?: number | undefined;
  /** Total for shares; defaults to the sum of the bars, `others` and `unreported`. */
  total?: number | undefined;
  /** Toggles between all rows and the first ones. */
  more?: { whole: boolean; toggle: () => void } | undefined;
  unit?: string;
  figure?: (amount: number) => string;
  note?: ComponentChildren;
  /** Remark below the bars. */
  remark?: string | undefined;
  /** Text of the empty state. */
  nothing?: string;
  /** Address of the card's question on the Explore page. */
  explore?: string | undefined;
}

/** Horizontal bars, largest first. A click filters the page by a value; a second click removes the filter. */
export function Bars({ title, bars, explore, others, more, all, unreported = 0, total: givenTotal, unit = "events", figure = count, note, remark, nothing }: Props) {
  const { isSet, toggle, where: filters } = useView();
  const most = Math.max(0, ...bars.map(({ amount }) => amount)) || 1;
  const total = givenTotal ?? bars.reduce((sum, { amount }) => sum + amount, (others?.amount ?? 0) + unreported);
  const tableOf = (of: Bar[]): Table => ({ columns: [title, unit, "share"], rows: of.map(({ label, amount }) => [label, amount, total ? amount / total : 0]) });
  const table = () => tableOf(bars);
  const file = all && (async () => tableOf(await all()));
  return (
    <Card title={title} note={note ?? unit} table={table} all={file} picture={() => barsOf(table(), figure)} explore={explore}>
      {bars.length === 0 ? (
        <EmptyState>{nothing ?? (filters.length > 0 ? "No events match the filters." : "No events in this period.")}</EmptyState>
      ) : (
        <ul class={more?.whole ? "bars whole" : "bars"}>
          {bars.map(({ where, label, amount, text, aside, kind, rest }) => {
            const content = (
              <>
                <span class="bar" style={{ width: `${(amount / most) * 100}%` }} />
                <span class="bar-label">{label}</span>
                {kind && <span class="bar-kind">{kind}</span>}
                {aside && <span class="bar-aside">{aside}</span>}
                <span class="bar-share">{total ? portion(amount / total) : ""}</span>
                <span class="bar-figure">{text ?? figure(amount)}</span>
              </>
            );
            return (
              <li key={`${label} ${JSON.stringify(where)}`} class={rest ? "rest" : undefined}>
                {where !== null ? (
                  <button
                    type="button"
                    aria-pressed={isSet(where)}
                    title={isSet(where) ? `Remove the filter ${label}` : `Show only ${label}`}
                    onClick={() => toggle(where)}
                  >
                    {content}
                  </button>
                ) : (
                  <div title={label}>{content}</div>
                )}
              </li>
            );
          })}
        </ul>
      )}
      <Others others={others} more={more} format={(amount) => `${figure(amount)} ${unit}`} />
      {remark && <p class="others">{remark}</p>}
      {unreported > 0 && bars.length > 0 && (
        <p class="others">
          {figure(unreported)} {unit} do not report this
        </p>
      )}
    </Card>
  );
}

/** Summary of the values beyond the bars. */
function Others({ others, more, format }: Pick<Props, "others" | "more"> & { format: (amount: number) => string }) {
  if (more?.whole) {
    return (
      <p class="others">
        <button type="button" class="link" onClick={more.toggle}>
          Show fewer
        </button>
      </p>
    );
  }
  if (!others || others.values === 0) return null;
  const text = `and ${count(others.values)} more`;
  return (
    <p class="others">
      {more ? (
        <button type="button" class="link" onClick={more.toggle}>
          {text}
        </button>
      ) : (
        text
      )}
      {others.amount !== null && ` with ${format(others.amount)}`}
    </p>
  );
}
