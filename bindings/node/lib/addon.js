// The addon of this system. Knows nothing of what it does.
import { createRequire } from "node:module";

/** File name of the addon, beside this file. */
export const addonName = `fusiform.${process.platform}-${process.arch}.node`;

let loaded;

/** The native functions; loaded on first use. */
export function native() {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    try {
      loaded = require(`./${addonName}`);
    } catch (cause) {
      throw new Error(
        `fusiform has no addon for ${process.platform} on ${process.arch} that loads here ` +
          `(${addonName}); build it with \`npm run build\` in its package: ${cause.message}`,
        { cause },
      );
    }
  }
  return loaded;
}
