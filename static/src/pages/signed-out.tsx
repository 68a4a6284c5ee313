import { useEffect } from "preact/hooks";
import { Copyable } from "../ui/states.tsx";
import { remember } from "../view/account.ts";
import { BASE, ORIGIN } from "../view/base.ts";

/** For whoever is not known here. The form works as any form: the cookie that it brings is for this server's eyes only. */
export function SignedOut() {
  useEffect(() => {
    document.title = "Log in to Footfall";
    remember(false);
  }, []);
  const next = location.pathname + location.search;
  return (
    <main class="signed-out" id="main">
      <section>
        <img src={`${BASE}/static/pages/footfall.svg`} width="44" height="44" alt="" />
        <h1>Footfall is running</h1>
        <p class="lead">It counts what command-line tools tell it, and keeps no address and no identifier of anybody.</p>
        <form method="post" action={`${BASE}/login`} autocomplete="off">
          <label for="token">Token or key</label>
          <input id="token" name="token" type="password" required maxLength={300} spellcheck={false} autocapitalize="none" />
          <input type="hidden" name="next" value={next} />
          <button type="submit" class="button strong">
            Log in
          </button>
        </form>
        <p class="soft">
          The first start printed a link that logs you in. Lost it? <code>footfall login-link</code> on the server makes another.
        </p>
      </section>
      <section>
        <h2>Send an event meanwhile</h2>
        <Copyable label="A command that counts a download" text={`curl -X POST ${ORIGIN}/dl/hello\ncurl ${ORIGIN}/counts`} />
        <p>
          <a href={`${BASE}/docs`}>The reference</a> · <a href={`${BASE}/health`}>Health</a> · <a href={`${BASE}/openapi.json`}>OpenAPI</a>
        </p>
      </section>
    </main>
  );
}
