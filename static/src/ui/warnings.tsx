import type { Answer } from "../pages/measures.ts";

interface Props {
  warnings: Answer["warnings"];
  /** Replaces the condition that a warning names with one on a value that exists. Without this function, the warning only names such values. */
  replace?: (field: string, message: string, value: string) => void;
  /** Replaces the property that a warning names with another one. */
  rename?: (field: string, other: string) => void;
}

/** Explains each filter that matches nothing, and offers values and properties that exist. */
export function Warnings({ warnings, replace, rename }: Props) {
  return (
    <>
      {warnings.map(({ field, message, nearest, nearestFields }) => {
        const suggestions = [
          ...(replace ? nearest.map((value) => ({ text: value, apply: () => replace(field, message, value) })) : []),
          ...(rename ? nearestFields.map((other) => ({ text: other, apply: () => rename(field, other) })) : []),
        ];
        return (
          <div class="suggestion" role="status" key={message}>
            <p>{spelled(suggestions.length > 0 ? (message.split(" Did you mean")[0] ?? message) : message)}</p>
            {suggestions.length > 0 && (
              <p class="suggested-values">
                <span class="soft">Try</span>
                {suggestions.map(({ text, apply }) => (
                  <button type="button" class="chip" key={text} onClick={apply}>
                    <b>{text}</b>
                  </button>
                ))}
              </p>
            )}
          </div>
        );
      })}
    </>
  );
}

/** Renders the parts of a text between backticks as code. */
const spelled = (text: string) => text.split("`").map((part, place) => (place % 2 === 1 ? <code key={place}>{part}</code> : part));
