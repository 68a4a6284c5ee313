import { Chart } from "../charts/chart.tsx";
import type { Line } from "../charts/plot.tsx";
import { type Bar, Bars } from "../ui/bars.tsx";
import { Card } from "../ui/card.tsx";
import { Figure } from "../ui/figure.tsx";
import type { Table } from "../ui/save.ts";
import { EmptyState } from "../ui/states.tsx";
import { Warnings } from "../ui/warnings.tsx";
import { type Bounds, NOTHING, ZONE, estimateOf, growth, margin, moment, points, stepText, toLabel } from "../view/format.ts";
import { groupCondition, renameField, replaceMissing } from "../view/conditions.ts";
import { type Question, type QuestionChanges, isCompared } from "../view/question.ts";
import { boundsOf } from "../view/period.ts";
import { useView } from "../view/state.ts";
import { type Incomplete, incompleteSteps } from "../view/steps.ts";
import { type Answer, type Field, MEASURE_FACTS, type Row, groupLabel, splitLabel } from "./measures.ts";

type Figures = Row["figures"][number];

/** The value of a figure at a step, with its bounds if it is an estimate. */
const estimate = (figure: Figures | undefined, people: boolean, step = 0): Bounds => ({
  value: (people ? figure?.people : figure?.all)?.[step],
  low: (people ? figure?.peopleLow : figure?.allLow)?.[step],
  high: (people ? figure?.peopleHigh : figure?.allHigh)?.[step],
});

interface Props {
  answer: Answer;
  question: Question;
  fields: Field[];
  change: (changes: QuestionChanges) => void;
}

const MOST_COMPARED = 4; // lines that are drawn beside those of the compared period

/** Reports whether no event meets the question's conditions. One segment without events is not nothing. */
export const hasNothing = ({ rows, warnings }: Answer): boolean =>
  rows.length === 0 || (warnings.length > 0 && rows.every(({ figures }) => figures.every(({ all }) => all.every((value) => !value))));

/** The answer to a question: charts, bars or a table, with notes on what it does not cover. */
export function ExploreAnswer(props: Props) {
  const { answer, question, change } = props;
  const suggestions = {
    warnings: answer.warnings,
    replace: (...missing: [string, string, string]) => change(replaceIn(question, ...missing)),
    rename: (...names: [string, string]) => change(renameIn(question, ...names)),
  };
  return (
    <>
      {!answer.complete && (
        <p class="notice" role="status">
          {answer.since ? (
            <>
              Events before <b>{moment(answer.since)}</b> have been deleted. The figures cover only the time since then.
            </>
          ) : (
            "Some events of this period have been deleted. The figures cover only part of it."
          )}
        </p>
      )}
      {answer.completeBefore === false && (
        <p class="notice" role="status">
          Some events of the compared period have been deleted. Its figures are incomplete or missing.
        </p>
      )}
      {!hasNothing(answer) && answer.warnings.length > 0 && (
        <div class="notice">
          <Warnings {...suggestions} />
        </div>
      )}
      {hasNothing(answer) ? (
        <Card title="No events match" wide>
          {answer.warnings.length === 0 && <EmptyState>No events in this period.</EmptyState>}
          <Warnings {...suggestions} />
        </Card>
      ) : question.chart === "table" ? (
        <AnswerTable {...props} />
      ) : question.over !== null ? (
        <Lines {...props} />
      ) : question.by.length === 0 && question.segments.length === 0 ? (
        <Totals answer={answer} question={question} stale={false} />
      ) : (
        <BarCards {...props} />
      )}
    </>
  );
}

/** Replaces the condition that a warning names: one of the question, or of its segments. */
function replaceIn({ where, segments }: Question, field: string, message: string, value: string): QuestionChanges {
  if (where.some((condition) => condition.field === field)) return { where: replaceMissing(where, field, message, value) };
  return { segments: segments.map((segment) => ({ ...segment, where: replaceMissing(segment.where, field, message, value) })) };
}

/** Replaces a field with another one in the conditions, segments and splits of a question. */
const renameIn = ({ where, segments, by }: Question, field: string, other: string): QuestionChanges => ({
  where: renameField(where, field, other),
  segments: segments.map((segment) => ({ ...segment, where: renameField(segment.where, field, other) })),
  by: by.map((split) => (split.field === field ? { ...split, field: other } : split)),
});

/** The figures of the whole question, without split and steps. */
export function Totals({ answer, question, stale }: { answer: Answer | undefined; question: Question; stale: boolean }) {
  const { people } = useView();
  const figures = answer?.rows[0]?.figures;
  return (
    <div class={stale ? "figures totals stale" : "figures totals"}>
      {question.measures.map((name) => {
        const { label, measure, less = false } = MEASURE_FACTS[name];
        const figure = figures?.find((each) => each.measure === name);
        const value = figure && (people ? figure.people : figure.all)[0];
        const before = figure && (people ? figure.peopleBefore : figure.allBefore)?.[0];
        const change = value != null && before ? value / before - 1 : null;
        return (
          <Figure
            key={name}
            label={label}
            text={measure.full(value)}
            was={measure.full(before)}
            change={change}
            grew={name === "FAILURE_RATE" ? points({ value, before }) : growth(change)}
            less={less}
            note={estimateOf(margin(estimate(figure, people), name === "FAILURE_RATE"))}
            {...(isCompared(question) ? {} : { since: null })}
          />
        );
      })}
    </div>
  );
}

/** The rows of each card: one card for all, or one a segment if the question also splits. */
function panelsOf(answer: Answer, { by, segments }: Question): { segment: string | null; rows: Row[] }[] {
  if (segments.length === 0 || by.length === 0) return [{ segment: null, rows: answer.rows }];
  return segments.map(({ name }) => ({ segment: name, rows: answer.rows.filter(({ segment }) => segment === name) }));
}

/** Label of a row within its card. */
function rowLabel(row: Row, { by, segments }: Question, fields: Field[]): string {
  if (by.length === 0) return segments.length > 0 ? (row.segment ?? "") : "";
  const words = new Set(fields.filter(({ kind }) => kind === "WORD").map(({ name }) => name));
  return groupLabel({ ...row, keys: row.keys.map((key, place) => (key !== null && words.has(by[place]?.field ?? "") ? toLabel(key) : key)) });
}

const titleOf = (label: string, segment: string | null): string => (segment === null ? label : `${label}: ${segment}`);

/** Incomplete steps of the compared period, with what their figures cover. */
function incompleteBefore({ startsBefore, fromBefore, toBefore }: Answer, step: string): Incomplete {
  return startsBefore && fromBefore && toBefore ? incompleteSteps(startsBefore, step, { start: Date.parse(fromBefore), end: Date.parse(toBefore) }) : new Map();
}

function Lines({ answer, question, fields }: Props) {
  const { people, span } = useView();
  const { over, measures } = question;
  const panels = panelsOf(answer, question);
  const step = over ?? "DAY";
  const before = incompleteBefore(answer, step);
  const incomplete = [
    ...[...incompleteSteps(answer.starts, step, boundsOf(span))].map(([place, covers]) => `${stepText(answer.starts[place] ?? "", step)}: ${covers}`),
    ...[...before].map(([place, covers]) => `${stepText(answer.startsBefore?.[place] ?? "", step)} in the compared period: ${covers}`),
  ];
  return (
    <div class={panels.length > 1 ? "side-by-side" : "stack"}>
      {measures.flatMap((name, index) =>
        panels.map(({ segment, rows }) => {
          const { label, measure } = MEASURE_FACTS[name];
          const lines = rows.flatMap((row, place): Line[] => {
            const figure = row.figures[index];
            if (!figure) return [];
            const single = rows.length === 1;
            const [own, color] = [rowLabel(row, question, fields) || label, single ? "accent" : row.isOther ? "c8" : `c${(place % 7) + 1}`];
            const earlier = people ? figure.peopleBefore : figure.allBefore;
            return [
              { label: own, values: people ? figure.people : figure.all, color, filled: single },
              ...(earlier && answer.startsBefore && rows.length <= MOST_COMPARED
                ? [{ label: single ? "Compared period" : `${own}, earlier`, values: aligned(earlier, answer.starts.length), color: single ? "soft" : color, dashed: true, starts: answer.startsBefore, incomplete: before }]
                : []),
            ];
          });
          const sampled = rows.some(({ figures }) => (people ? figures[index]?.peopleLow : figures[index]?.allLow));
          const note = [sampled && "estimated", ...incomplete, isCompared(question) && rows.length > MOST_COMPARED && "comparison: shown in the table"].filter(Boolean).join(" · ");
          return <Chart key={`${name} ${segment} ${over}`} title={titleOf(label, segment)} starts={answer.starts} lines={lines} step={over ?? "DAY"} measure={measure} note={note} />;
        }),
      )}
    </div>
  );
}

/** Values of the compared period, one for each step of the chart. */
const aligned = (values: (number | null)[], length: number): (number | null)[] => Array.from({ length }, (_, place) => values[place] ?? null);

function BarCards({ answer, question, fields, change }: Props) {
  const { people } = useView();
  const { by, measures } = question;
  const adds = by.every(({ field }) => !field.startsWith("properties.")); // an event counts once for each element of a list
  const panels = panelsOf(answer, question);
  return (
    <div class={panels.length > 1 ? "stack" : "grid"}>
      {measures.map((name, index) => {
        const cards = panels.map(({ segment, rows }) => {
          const { label, measure, additive } = MEASURE_FACTS[name];
          const bars = rows.map((row): Bar => {
            const figure = row.figures[index];
            const before = figure && (people ? figure.peopleBefore : figure.allBefore);
            const value = figure && (people ? figure.people : figure.all)[0];
            const remarks = [margin(estimate(figure, people), name === "FAILURE_RATE"), before && `was ${measure.full(before[0])}`].filter(Boolean);
            return {
              where: row.isOther || by.length === 0 ? null : by.map((split, place) => groupCondition(split, row.keys[place] ?? null)),
              label: rowLabel(row, question, fields),
              amount: value ?? 0,
              ...(value == null ? { text: NOTHING } : {}),
              rest: row.isOther,
              ...(remarks.length > 0 ? { kind: remarks.join(" · ") } : {}),
            };
          });
          // Segments keep one order, so that their rows can be compared.
          if (by.length > 0 && panels.length === 1) bars.sort((one, other) => Number(one.rest) - Number(other.rest) || other.amount - one.amount);
          return (
            <Bars
              key={`${name} ${segment}`}
              title={titleOf(label, segment)}
              bars={bars}
              figure={measure.full}
              unit={by.length === 0 ? "by segment" : `by ${by.map((split) => splitLabel(fields, split)).join(" and ")}`}
              {...(additive && adds && by.length > 0 ? {} : { total: 0 })}
            />
          );
        });
        return panels.length > 1 ? (
          <div class="side-by-side narrow" key={name}>
            {cards}
          </div>
        ) : (
          cards
        );
      })}
      <More answer={answer} question={question} change={change} />
    </div>
  );
}

const MORE = [10, 50, 200];

/** A button that lists more groups. */
function More({ answer, question, change }: Pick<Props, "answer" | "question" | "change">) {
  const next = MORE.find((each) => each > question.first);
  if (!next || !answer.rows.some(({ isOther }) => isOther)) return null;
  return (
    <p class="others more">
      <button type="button" class="link" onClick={() => change({ first: next })}>
        List up to {next} groups
      </button>
    </p>
  );
}

function AnswerTable({ answer, question, fields, change }: Props) {
  const { people, span } = useView();
  const { by, over, segments, measures } = question;
  const compare = isCompared(question);
  const steps = over === null ? [null] : answer.starts;
  const incomplete = incompleteSteps(answer.starts, over ?? "DAY", boundsOf(span));
  const before = incompleteBefore(answer, over ?? "DAY");
  const covers = (place: number) => [incomplete.get(place), before.has(place) && `compared period ${before.get(place)}`].filter(Boolean).join("; ");
  const columns = [
    ...(over === null ? [] : [`From (${ZONE})`]),
    ...(segments.length > 0 ? ["Segment"] : []),
    ...by.map((split) => splitLabel(fields, split)),
    ...measures.flatMap((name) => [MEASURE_FACTS[name].label, ...(compare ? [`${MEASURE_FACTS[name].label}, compared period`] : [])]),
  ];
  const words = columns.length - measures.length * (compare ? 2 : 1);
  const rowsOf = (text: (value: number | null | undefined, measure: number, bounds?: Bounds) => string | number | null) =>
    answer.rows.flatMap((row) =>
      steps.map((start, place) => ({
        row,
        cells: [
          ...(start === null ? [] : [`${stepText(start, over ?? "DAY")}${covers(place) && ` (${covers(place)})`}`]),
          ...(segments.length > 0 ? [row.segment] : []),
          ...by.map((split, key) => (row.isOther ? (key === 0 ? "(other)" : "") : keyLabel(row.keys[key] ?? null, split.field, fields))),
          ...row.figures.flatMap((figure, index) => [
            text((people ? figure.people : figure.all)[place], index, estimate(figure, people, place)),
            ...(compare ? [text((people ? figure.peopleBefore : figure.allBefore)?.[place], index)] : []),
          ]),
        ],
      })),
    );
  const table = (): Table => ({ columns, rows: rowsOf((value) => value ?? null).map(({ cells }) => cells) });
  const shown = rowsOf((value, index, bounds = {}) => {
    const name = measures[index] ?? "EVENTS";
    return [MEASURE_FACTS[name].measure.full(value), margin(bounds, name === "FAILURE_RATE")].filter(Boolean).join(" ");
  });
  return (
    <Card title="Answer" table={table} tabular wide>
      <div class="scroll" tabIndex={0} role="region" aria-label="Answer as a table">
        <table class="single">
          <thead>
            <tr>
              {columns.map((column, place) => (
                <th scope="col" key={column} class={place < words ? "" : "figure"}>
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map(({ row, cells }, number) => (
              <tr key={number} class={row.isOther ? "rest" : ""}>
                {cells.map((cell, place) => (
                  <td key={place} class={place < words ? "" : "figure"}>
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <More answer={answer} question={question} change={change} />
    </Card>
  );
}

function keyLabel(key: string | null, field: string, fields: Field[]): string {
  if (key === null) return "(none)";
  return fields.some(({ name, kind }) => name === field && kind === "WORD") ? toLabel(key) : key;
}
