import type { FilterName } from "../view/state.ts";
import { useView } from "../view/state.ts";
import { count, portion } from "../view/format.ts";
import { Card } from "./card.tsx";
import { type Table, barsOf } from "./save.ts";
import { Nothing } from "./states.tsx";

export interface Bar {
  /** What it is filtered by when it is clicked; null for what cannot be. */
  value: string | null;
  label: string;
  amount: number;
  /** Something more to say of it, such as its rate where that is bad. */
  aside?: string;
  /** What kind of thing it is. */
  kind?: string;
}

interface Props {
  title: string;
  bars: Bar[];
  /** What a click filters by. */
  by?: FilterName;
  /** How many there are beyond these, and how much they have, where that adds up. */
  others?: { values: number; amount: number | null } | undefined;
  /** All there are, for the file. */
  all?: (() => Promise<Bar[]>) | undefined;
  /** How much says nothing of this; part of what the shares are of. */
  unsaid?: number | undefined;
  /** What the shares are of; all that is shown and the others where it is left out. */
  total?: number | undefined;
  /** Shows all there are, or the first again. */
  more?: { whole: boolean; toggle: () => void } | undefined;
  unit?: string;
  figure?: (amount: number) => string;
  note?: string;
  /** What is said where there is none. */
  nothing?: string;
}

/** Values with bars, most first; a click on one filters the page by it, another click takes that back. */
export function Bars({ title, bars, by, others, more, all, unsaid = 0, total: given, unit = "events", figure = count, note, nothing = "Nothing in this period." }: Props) {
  const { filters, pick } = useView();
  const most = Math.max(1, ...bars.map(({ amount }) => amount));
  const total = given ?? bars.reduce((sum, { amount }) => sum + amount, (others?.amount ?? 0) + unsaid);
  const chosen = by && filters[by];
  const tableOf = (of: Bar[]): Table => ({ columns: [title, unit, "share"], rows: of.map(({ label, amount }) => [label, amount, total ? amount / total : 0]) });
  const table = () => tableOf(bars);
  const file = all && (async () => tableOf(await all()));
  return (
    <Card title={title} note={note ?? unit} table={table} all={file} picture={() => barsOf(table(), figure)}>
      {bars.length === 0 ? (
        <Nothing>{nothing}</Nothing>
      ) : (
        <ul class={more?.whole ? "bars whole" : "bars"}>
          {bars.map(({ value, label, amount, aside, kind }) => {
            const content = (
              <>
                <span class="bar" style={{ width: `${(amount / most) * 100}%` }} />
                <span class="bar-label">{label}</span>
                {kind && <span class="bar-kind">{kind}</span>}
                {aside && <span class="bar-aside">{aside}</span>}
                <span class="bar-share">{total ? portion(amount / total) : ""}</span>
                <span class="bar-figure">{figure(amount)}</span>
              </>
            );
            return (
              <li key={`${label} ${value}`}>
                {by && value !== null ? (
                  <button
                    type="button"
                    aria-pressed={chosen === value}
                    title={chosen === value ? `Show others than ${label}, too` : `Show ${label} only`}
                    onClick={() => pick(by, chosen === value ? null : value)}
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
      <Others others={others} more={more} said={(amount) => `${figure(amount)} ${unit}`} />
      {unsaid > 0 && bars.length > 0 && (
        <p class="others">
          {figure(unsaid)} {unit} say nothing of this
        </p>
      )}
    </Card>
  );
}

/** What there is beyond what is shown. */
function Others({ others, more, said }: Pick<Props, "others" | "more"> & { said: (amount: number) => string }) {
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
      {others.amount !== null && ` with ${said(others.amount)}`}
    </p>
  );
}
