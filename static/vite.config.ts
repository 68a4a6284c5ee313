import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import preact from "@preact/preset-vite";
import { defineConfig, type Plugin } from "vite";

/** Write a compressed copy of each file at build time, so that the server need not compress responses. */
function compressed(): Plugin {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved: (config) => void (folder = config.build.outDir),
    async closeBundle() {
      const names = await readdir(folder, { recursive: true });
      const compressible = names.filter((name) => /\.(js|css|html|svg)$/.test(name));
      await Promise.all(
        compressible.map(async (name) => {
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

// `npm run dev` serves the sources, and forwards API requests to a server at this address.
const server = process.env["FOOTFALL_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "./", // the server prepends its base path
  plugins: [preact(), compressed()],
  build: { outDir: "dist", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  server: { proxy: { "/graphql": { target: server, ws: true, changeOrigin: true }, "/login": server, "/logout": server } },
});
