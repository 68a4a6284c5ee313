import { useState } from "preact/hooks";
import { FilterBar } from "../ui/filter-bar.tsx";
import { Icon } from "../ui/icons.tsx";
import { Line } from "../ui/question-line.tsx";
import { Splits } from "../ui/split-select.tsx";
import { type ChartName, type Comparison, MEASURES, MOST_MEASURES, MOST_SEGMENTS, type MeasureName, type Question, type QuestionChanges, STEPS, type Segment, type StepName } from "../view/question.ts";
import { periodParams, rangeName, spanOf } from "../view/period.ts";
import { useView } from "../view/state.ts";
import type { Part } from "./explore.tsx";
import { type Field, MEASURE_FACTS, STEP_NAMES, questionText } from "./measures.ts";
import { SavedQuestions } from "./saved-questions.tsx";

interface Props {
  project: string;
  fields: Field[];
  question: Question;
  change: (changes: QuestionChanges) => void;
  /** The part of the question that the server refused. */
  refused: Part | null;
}

/** Controls that build a question. On a phone they are hidden behind the question's text. */
export function QuestionForm(props: Props) {
  const { project, fields, question, refused } = props;
  const [open, setOpen] = useState(false);
  const shown = open || refused !== null;
  return (
    <section class="card question" aria-label="Question">
      <SavedQuestions project={project} />
      <button type="button" class="question-summary" aria-expanded={shown} onClick={() => setOpen(!open)}>
        <span>{questionText(fields, question)}</span> <Icon name="open" size={16} />
      </button>
      <div class={shown ? "question-lines open" : "question-lines"}>
        <Lines {...props} />
      </div>
    </section>
  );
}

function Lines({ project, fields, question, change, refused }: Props) {
  return (
    <>
      <Line label="Show">
        <Measures chosen={question.measures} change={(measures) => change({ measures })} />
      </Line>
      <Line label="Where">
        <FilterBar
          project={project}
          fields={fields}
          conditions={question.where}
          change={(where) => change({ where })}
          label="Filters"
          invalid={refused?.list === "where" ? refused.place : undefined}
        />
      </Line>
      <Line label="By">
        <Splits fields={fields} by={question.by} change={(by) => change({ by })} />
      </Line>
      <Line label="Over">
        <View question={question} change={change} />
      </Line>
      {question.segments.length > 0 && (
        <Line label="Segments">
          <ul class="segment-list">
            {question.segments.map((segment, place) => (
              <SegmentRow
                key={place}
                project={project}
                fields={fields}
                segment={segment}
                number={place + 1}
                change={(next) => change({ segments: question.segments.flatMap((each, other) => (other === place ? (next ?? []) : each)) })}
                invalid={refused?.list === "segments" && refused.place === place ? refused.inner : undefined}
              />
            ))}
          </ul>
        </Line>
      )}
      {question.segments.length < MOST_SEGMENTS && (
        <Line label="">
          <button type="button" class="button quiet small" onClick={() => change({ segments: withSegment(question.segments) })}>
            <Icon name="plus" size={14} /> {question.segments.length > 0 ? "Add a segment" : "Compare segments"}
          </button>
        </Line>
      )}
    </>
  );
}

function Measures({ chosen, change }: { chosen: MeasureName[]; change: (measures: MeasureName[]) => void }) {
  return (
    <>
      {chosen.map((name) => (
        <button
          type="button"
          class="chip"
          key={name}
          disabled={chosen.length === 1}
          title={chosen.length === 1 ? undefined : `Remove ${MEASURE_FACTS[name].label}`}
          onClick={() => change(chosen.filter((other) => other !== name))}
        >
          <b>{MEASURE_FACTS[name].label}</b>
          {chosen.length > 1 && (
            <>
              <span class="sr">: remove</span> <Icon name="close" size={13} />
            </>
          )}
        </button>
      ))}
      {chosen.length < MOST_MEASURES && (
        <select class="small" aria-label="Add a measure" value="" onChange={(event) => event.currentTarget.value && change([...chosen, event.currentTarget.value as MeasureName])}>
          <option value="">Add a measure…</option>
          {MEASURES.filter((name) => !chosen.includes(name)).map((name) => (
            <option key={name} value={name}>
              {MEASURE_FACTS[name].label}
            </option>
          ))}
        </select>
      )}
    </>
  );
}

const CHARTS: Record<ChartName, string> = { line: "Line", bars: "Bars", table: "Table" };

/** Changes of a question that show it in another form. Lines need steps, and bars are for the whole period. */
function changesOf(chart: ChartName): QuestionChanges {
  if (chart === "line") return { chart, over: undefined };
  return chart === "bars" ? { chart, over: null } : { chart };
}

function View({ question, change }: Pick<Props, "question" | "change">) {
  const { over, chart } = question;
  const chooseStep = (step: StepName | null) => change({ over: step, ...(chart === "table" ? {} : { chart: step === null ? "bars" : "line" }) });
  return (
    <>
      <select class="small" aria-label="Step" value={over ?? ""} onChange={(event) => chooseStep((event.currentTarget.value || null) as StepName | null)}>
        <option value="">Whole period</option>
        {STEPS.map((step) => (
          <option key={step} value={step}>
            {STEP_NAMES[step]}
          </option>
        ))}
      </select>
      <ComparisonSelect question={question} change={change} />
      <div class="segments" role="group" aria-label="Chart">
        {(Object.keys(CHARTS) as ChartName[]).map((name) => (
          <button type="button" key={name} aria-pressed={chart === name} onClick={() => chart !== name && change(changesOf(name))}>
            {CHARTS[name]}
          </button>
        ))}
      </div>
    </>
  );
}

const OTHER = "OTHER"; // the choice of a period of its own

/** Select for the period to compare with, and the days of one of its own. */
function ComparisonSelect({ question: { compare, compareTo }, change }: Pick<Props, "question" | "change">) {
  const { span } = useView();
  const days = compareTo && periodParams(compareTo);
  const choose = (value: string) => change(value === OTHER ? { compareTo: span.before } : { compareTo: null, compare: (value || null) as Comparison | null });
  const setDays = (from: string, to: string) => from && to && from <= to && change({ compareTo: spanOf("custom", from, to).period });
  return (
    <>
      <select class="small" aria-label="Compare with" value={compareTo ? OTHER : (compare ?? "")} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">No comparison</option>
        <option value="PREVIOUS">Previous period</option>
        <option value="LAST_YEAR">Same period last year</option>
        <option value={OTHER}>Another period</option>
      </select>
      {days?.range === "custom" && (
        <span class="inline tight compared-days">
          <input class="small" type="date" aria-label="First day compared" value={days.from.slice(0, 10)} max={days.to.slice(0, 10)} onChange={(event) => setDays(event.currentTarget.value, days.to)} />
          –
          <input class="small" type="date" aria-label="Last day compared" value={days.to.slice(0, 10)} min={days.from.slice(0, 10)} onChange={(event) => setDays(days.from, event.currentTarget.value)} />
        </span>
      )}
      {days && days.range !== "custom" && <span class="soft">{rangeName(days.range)}</span>}
    </>
  );
}

/** Adds a segment with a name that is not taken. */
function withSegment(segments: Segment[]): Segment[] {
  const name = Array.from({ length: MOST_SEGMENTS + 1 }, (_, place) => `Segment ${place + 1}`).find((each) => segments.every((other) => other.name !== each)) ?? "";
  return [...segments, { name, where: [] }];
}

interface SegmentProps {
  project: string;
  fields: Field[];
  segment: Segment;
  number: number;
  /** Replaces the segment; null removes it. */
  change: (segment: Segment | null) => void;
  invalid: number | undefined;
}

function SegmentRow({ project, fields, segment, number, change, invalid }: SegmentProps) {
  return (
    <li>
      <input
        type="text"
        class="small segment-name"
        aria-label={`Name of segment ${number}`}
        value={segment.name}
        maxLength={100}
        required
        onChange={(event) => {
          const name = event.currentTarget.value.trim();
          if (name) change({ ...segment, name });
          else event.currentTarget.value = segment.name;
        }}
      />
      <FilterBar project={project} fields={fields} conditions={segment.where} change={(where) => change({ ...segment, where })} label={`Filters of ${segment.name}`} invalid={invalid} />
      <button type="button" class="button quiet small" aria-label={`Remove the segment ${segment.name}`} title="Remove the segment" onClick={() => change(null)}>
        <Icon name="close" size={14} />
      </button>
    </li>
  );
}
