// One call after the other: what waits for a file takes no thread of libuv from others.
// Knows nothing of what is done.

/** Tasks that begin in the order in which they were given, each when the one before has ended. */
export class Queue {
  #last = Promise.resolve();

  run(task) {
    const done = this.#last.then(task);
    this.#last = done.then(
      () => {},
      () => {},
    );
    return done;
  }
}
