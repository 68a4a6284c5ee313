import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import preact from "@preact/preset-vite";
import { defineConfig, type Plugin } from "vite";

/** Beside each file its compressed forms, made once here instead of at each request. */
function compressed(): Plugin {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved: (config) => void (folder = config.build.outDir),
    async closeBundle() {
      const names = await readdir(folder, { recursive: true });
      const wanted = names.filter((name) => /\.(js|css|html|svg)$/.test(name));
      await Promise.all(
        wanted.map(async (name) => {
          const path = join(folder, name);
          const body = await readFile(path);
          const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
          await writeFile(`${path}.br`, await promisify(brotliCompress)(body, quality));
          await writeFile(`${path}.gz`, await promisify(gzip)(body, { level: 9 }));
        }),
      );
    },
  };
}

// `npm run dev` serves the sources and asks a Footfall at this address.
const server = process.env["FOOTFALL_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "./", // the server puts its base path in front
  plugins: [preact(), compressed()],
  build: { outDir: "dist", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  server: { proxy: { "/graphql": { target: server, ws: true, changeOrigin: true }, "/login": server, "/logout": server } },
});
