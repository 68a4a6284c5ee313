import { moment } from "../view/format.ts";
import { useView } from "../view/state.ts";
import type { Answer } from "../pages/measures.ts";
import { Warnings } from "./warnings.tsx";

/** Notes on a report: the part of its period that was deleted, and its own conditions that match nothing. The toolbar explains those of the page. `what` names the counted things, in the plural. */
export function ReportNotes({ answer: { complete, since, warnings }, what }: { answer: Pick<Answer, "complete" | "since" | "warnings">; what: string }) {
  const { where } = useView();
  const own = warnings.filter(({ field, message }) => !where.some((condition) => condition.field === field && condition.values.some((value) => message.includes(value))));
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
