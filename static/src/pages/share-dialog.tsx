import { useState } from "preact/hooks";
import type { Data } from "../api/client.ts";
import { useChange } from "../api/use.ts";
import { Dialog } from "../ui/dialog.tsx";
import { FormError, formValue } from "../ui/form.tsx";
import { Copyable } from "../ui/states.tsx";
import { day, moment } from "../view/format.ts";

type Project = Data<"SavedQuestions">["project"];

const DAYS = [7, 30, 90, 365];

interface Props {
  project: string;
  question: Project["savedQuestions"][number];
  shares: Project["shares"];
  close: () => void;
}

/** Links to a saved question that need no login: create one, revoke those that exist. A link is shown once, at creation. */
export function ShareDialog({ project, question: { name, shareProblem }, shares, close }: Props) {
  const [link, setLink] = useState<string | null>(null);
  const create = useChange("CreateShare");
  const revoke = useChange("RevokeShare");
  const own = shares.filter(({ question }) => question === name);
  return (
    <Dialog title="Share the question" close={close}>
      {shareProblem ? (
        <p>{shareProblem}</p>
      ) : (
        <p>
          Anyone with the link sees the current answer to <b>{name}</b>, without small groups, until the link expires.
        </p>
      )}
      {link !== null && (
        <div role="status">
          The new link. It is shown only once:
          <Copyable label="New link" text={link} />
        </div>
      )}
      {!shareProblem && (
        <form
          class="inline"
          onSubmit={(event) => {
            event.preventDefault();
            const days = Number(formValue(event.currentTarget, "days"));
            create.mutate({ slug: project, name, days }, { onSuccess: ({ createShare }) => setLink(createShare.path == null ? null : new URL(createShare.path, location.href).href) });
          }}
        >
          <label class="field">
            <span>Expires after</span>
            <select name="days">
              {DAYS.map((days) => (
                <option key={days} value={days} selected={days === 30}>
                  {days === 365 ? "1 year" : `${days} days`}
                </option>
              ))}
            </select>
          </label>
          <button type="submit" class="button strong" disabled={create.isPending}>
            Create a link
          </button>
        </form>
      )}
      <FormError error={create.error ?? revoke.error} />
      {own.length > 0 && (
        <ul class="rows links" aria-label="Links">
          {own.map(({ id, createdAt, expiresAt, isExpired }) => (
            <li key={id}>
              <div>
                <span title={moment(createdAt)}>Created {day(createdAt)}</span>
                <span class="soft" title={moment(expiresAt)}>
                  {isExpired ? "expired" : "expires"} {day(expiresAt)}
                </span>
                <button type="button" class="link row-figure bad" disabled={revoke.isPending} onClick={() => revoke.mutate({ slug: project, id })}>
                  Revoke
                </button>
              </div>
            </li>
          ))}
        </ul>
      )}
      <div class="inline">
        <button type="button" class="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
