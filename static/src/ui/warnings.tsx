import type { Answer } from "../pages/measures.ts";

interface Props {
  warnings: Answer["warnings"];
  /** Replaces the condition that a warning names. */
  replace: (field: string, message: string, value: string) => void;
}

/** Explains each filter that matches nothing and offers values that exist. */
export function Warnings({ warnings, replace }: Props) {
  return (
    <>
      {warnings.map(({ field, message, nearest }) => (
        <div class="suggestion" role="status" key={message}>
          <p>{spelled(nearest.length > 0 ? (message.split(" Did you mean")[0] ?? message) : message)}</p>
          {nearest.length > 0 && (
            <p class="suggested-values">
              <span class="soft">Try</span>
              {nearest.map((value) => (
                <button type="button" class="chip" key={value} onClick={() => replace(field, message, value)}>
                  <b>{value}</b>
                </button>
              ))}
            </p>
          )}
        </div>
      ))}
    </>
  );
}

/** Renders the parts of a text between backticks as code. */
const spelled = (text: string) => text.split("`").map((part, place) => (place % 2 === 1 ? <code key={place}>{part}</code> : part));
