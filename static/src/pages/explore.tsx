import { ApiError } from "../api/client.ts";
import { useOperation } from "../api/use.ts";
import { ErrorNotice, QueryResult } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { useParams } from "../view/address.ts";
import { type Question, inputOf, useQuestion } from "../view/question.ts";
import { reportOf } from "../view/reports.ts";
import { useView } from "../view/state.ts";
import "./explore.css";
import { ExploreAnswer, Totals, hasNothing } from "./explore-answer.tsx";
import { QuestionForm } from "./explore-form.tsx";
import Funnel from "./funnel.tsx";
import { Paths } from "./paths.tsx";
import { Retention } from "./retention.tsx";
import { SavedQuestions } from "./saved-questions.tsx";

/** Explore page: any measures of the events that meet any conditions, split, over time, compared. The question is in the address. */
export default function Explore({ project }: { project: string }) {
  const { reads } = useAccount();
  if (!reads) return <ErrorNotice error={new ApiError("UNAUTHENTICATED", "")} />;
  return <Kinds project={project} />;
}

/** What the page shows, by the parameter `report` of the address. */
const KINDS = { "": "Figures", funnel: "Funnel", retention: "Retention", paths: "Paths" } as const;

function Kinds({ project }: { project: string }) {
  const [params, change] = useParams();
  const kind = reportOf(params) ?? "";
  const choose = (next: URLSearchParams, chosen: keyof typeof KINDS) => {
    for (const name of ["saved", "within"]) next.delete(name);
    if (chosen) next.set("report", chosen);
    else next.delete("report");
  };
  return (
    <div class="stack">
      <div class="choose">
        <div class="segments" role="group" aria-label="Kind of question">
          {(Object.keys(KINDS) as (keyof typeof KINDS)[]).map((each) => (
            <button type="button" key={each} aria-pressed={each === kind} onClick={() => each !== kind && change((next) => choose(next, each))}>
              {KINDS[each]}
            </button>
          ))}
        </div>
      </div>
      {kind === "" ? (
        <ExplorePage project={project} />
      ) : (
        <>
          <section class="card question" aria-label="Question">
            <SavedQuestions project={project} />
          </section>
          {kind === "funnel" ? <Funnel project={project} /> : kind === "retention" ? <Retention project={project} isExplore /> : <Paths project={project} />}
        </>
      )}
    </div>
  );
}

function ExplorePage({ project }: { project: string }) {
  const view = useView();
  const { question, change } = useQuestion();
  const known = useOperation("Fields", { slug: project, period: view.span.period });
  const fields = known.data?.project.fields ?? [];
  const answer = useOperation("Ask", { slug: project, question: inputOf(question, view) });
  const isWhole = question.by.length === 0 && question.over === null && question.chart === "bars";
  const hasTotals = !isWhole && question.segments.length === 0;
  const whole = useOperation("Ask", { slug: project, question: inputOf({ ...question, by: [], over: null, first: 1 }, view) }, { enabled: hasTotals });
  const error = answer.isError && answer.data === undefined ? answer.error : null;
  return (
    <div class="stack explore">
      <QuestionForm project={project} fields={fields} question={question} change={change} refused={error && refusedPart(error.message)} />
      {error && refusedPart(error.message) ? (
        <ErrorNotice error={new Error(describe(error.message, fields, question))} />
      ) : (
        <QueryResult answer={answer} height={420}>
          {({ project: { ask } }) => (
            <div class="stack">
              {hasTotals && !hasNothing(ask) && <Totals answer={whole.data?.project.ask} question={question} stale={whole.isPlaceholderData} />}
              <ExploreAnswer answer={ask} question={question} fields={fields} change={change} />
            </div>
          )}
        </QueryResult>
      )}
    </div>
  );
}

/** The part of a question that an error message names, such as `where[0].values`. */
export interface Part {
  path: string;
  list: string;
  /** Position in the list. */
  place: number;
  /** Position among the conditions of a segment. */
  inner: number;
}

const PART = /\b(where|by|segments|measures)(?:\[(\d+)\])?(?:\.where\[(\d+)\])?[.\w]*/;

function refusedPart(message: string): Part | null {
  const match = PART.exec(message);
  return match && { path: match[0], list: match[1] ?? "", place: Number(match[2] ?? -1), inner: Number(match[3] ?? -1) };
}

const PARTS: Record<string, string> = { where: "Filter", by: "Split", segments: "Segment", measures: "Measures" };

/** Replaces the technical path in an error message with the name that the form shows. */
function describe(message: string, fields: { name: string; label: string }[], question: Question): string {
  const part = refusedPart(message);
  if (!part) return message;
  const { list, place, inner, path } = part;
  const segment = list === "segments" ? question.segments[place] : undefined;
  const condition = segment ? segment.where[inner] : list === "where" ? question.where[place] : undefined;
  const field = condition?.field ?? (list === "by" ? question.by[place]?.field : undefined);
  const label = field && (fields.find(({ name }) => name === field)?.label ?? field);
  const name = [`${PARTS[list]}${place >= 0 && !segment ? ` ${place + 1}` : ""}`, segment && `“${segment.name}”`, label && `(${label})`].filter(Boolean).join(" ");
  return `${message.replace(path, name)}.`;
}
