import { useEffect } from "preact/hooks";
import { Copyable } from "../ui/states.tsx";
import { rememberReadAccess } from "../view/account.ts";
import { BASE, ORIGIN } from "../view/base.ts";

/** Start page without a login. A plain form post, so that the session cookie stays inaccessible to scripts. */
export function SignedOut() {
  useEffect(() => {
    document.title = "Log in to Footfall";
    rememberReadAccess(false);
  }, []);
  const next = location.pathname + location.search;
  return (
    <main class="signed-out" id="main">
      <section>
        <img src={`${BASE}/static/pages/footfall.svg`} width="44" height="44" alt="" />
        <h1>Footfall is running</h1>
        <p class="lead">Privacy-first telemetry for command-line tools. It stores no IP addresses and no raw identifiers.</p>
        <form method="post" action={`${BASE}/login`} autocomplete="off">
          <label for="token">Token or key</label>
          <input id="token" name="token" type="password" required maxLength={300} spellcheck={false} autocapitalize="none" />
          <input type="hidden" name="next" value={next} />
          <button type="submit" class="button strong">
            Log in
          </button>
        </form>
        <p class="soft">
          The first start printed a login link. Lost it? Run <code>footfall login-link</code> on the server to create another.
        </p>
      </section>
      <section>
        <h2>Try it: count a download</h2>
        <Copyable label="A command that counts a download" text={`curl -X POST ${ORIGIN}/dl/hello\ncurl ${ORIGIN}/counts`} />
        <p>
          <a href={`${BASE}/docs`}>The reference</a> · <a href={`${BASE}/health`}>Health</a> · <a href={`${BASE}/openapi.json`}>OpenAPI</a>
        </p>
      </section>
    </main>
  );
}
