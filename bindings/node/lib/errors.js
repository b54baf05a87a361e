// What goes wrong, as one class. Knows nothing of what was being done.

/** An error of Fusiform. Programs branch on `kind`, people read the message. */
export class FusiformError extends Error {
  /**
   * @param {string} message
   * @param {string} kind a stable word such as "not_a_photo"
   * @param {number} code its stable number
   */
  constructor(message, kind = "internal", code = 2) {
    super(message);
    this.kind = kind;
    this.code = code;
  }
}
Object.defineProperty(FusiformError.prototype, "name", { value: "FusiformError" });

/** An argument that cannot be used. */
export function badOption(message) {
  return new FusiformError(message, "bad_option", 3);
}

/** What a native function gave, unless it failed. */
export function settled(answer) {
  if (answer?.failedKind !== undefined) {
    throw new FusiformError(answer.message, answer.failedKind, answer.failedCode);
  }
  return answer;
}

/** As `settled`, of a promise. The exception names who called. */
export async function settledLater(promise) {
  return settled(await promise);
}
