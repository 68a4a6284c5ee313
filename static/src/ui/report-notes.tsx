import { moment } from "../view/format.ts";
import { useView } from "../view/state.ts";
import type { Answer } from "../pages/measures.ts";
import { Warnings } from "./warnings.tsx";

/** What an answer of a report does not cover, and which of its own conditions match nothing: the toolbar explains its filters. `what` is its subject, in the plural. */
export function ReportNotes({ answer: { complete, since, warnings }, what }: { answer: Pick<Answer, "complete" | "since" | "warnings">; what: string }) {
  const { where } = useView();
  const own = warnings.filter(({ field }) => where.every((condition) => condition.field !== field));
  return (
    <>
      {!complete && (
        <p class="notice">
          Some events of this period have been deleted. The {what} cover only the time since {moment(since)}.
        </p>
      )}
      {own.length > 0 && (
        <div class="notice">
          <Warnings warnings={own} />
        </div>
      )}
    </>
  );
}
