/** Indents JSON text without parsing it, so that numbers keep all digits. */
export function indented(text: string): string {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  let depth = 0;
  const line = (deep: number) => `\n${"  ".repeat(deep)}`;
  return tokens
    .map((token, place) => {
      const next = tokens[place + 1];
      if (token === "{" || token === "[") {
        if (next === "}" || next === "]") return token;
        depth += 1;
        return token + line(depth);
      }
      if (token === "}" || token === "]") {
        const before = tokens[place - 1];
        if (before === "{" || before === "[") return token;
        depth -= 1;
        return line(depth) + token;
      }
      if (token === ",") return token + line(depth);
      return token === ":" ? ": " : token;
    })
    .join("");
}
