/**
 * The service, independent of its transport (amqp-door.js, stomp-door.js).
 *
 * The relay sets `user` and `session` of a question, and clients cannot forge them. So they decide who gets the answer
 * and who may stop it. The answer goes out in numbered parts. The last part is `final` and has an outcome: answered,
 * stopped or refused. A question is acknowledged after its last part. If the service dies before, another instance
 * answers it, from part 1 again.
 */
import { answerTo } from './model.js';

const TEXT_MAX = 2_000;
const ID_MAX_BYTES = 200;
/** Limit of remembered stops that overtook their questions, which wait in a queue. */
const EARLY_STOPS_MAX = 1_000;

/**
 * A question from a transport: `user`, `session`, `id` (its correlation id), `text`, `isRedelivered`, and
 *   reply(part)   part: { text, part, final?, outcome? }; resolves when the broker has confirmed it
 *   done()        acknowledges the question
 */
export class Chatbot {
  #answering = new Map();
  #earlyStops = new Set();
  #pauseMs;

  constructor({ pauseMs = 150 } = {}) {
    this.#pauseMs = pauseMs;
  }

  /** Never rejects. A question that fails for lack of a connection is not acknowledged, and is delivered again. */
  async ask(question) {
    try {
      if (!question.user) return await question.done(); // not published through the relay: no user to answer
      const problem = this.#problemOf(question);
      if (problem !== undefined) return await this.#finish(question, 1, 'refused', problem);
      await this.#answer(question);
    } catch (error) {
      console.error(`question ${question.id}: ${error.message}`);
    }
  }

  /** Only the sender of a question can stop it: the key contains the user and session that the relay set. */
  stop(request) {
    const key = keyOf(request);
    const running = this.#answering.get(key);
    if (running) return running.controller.abort();
    this.#earlyStops.add(key);
    const [oldest] = this.#earlyStops;
    if (this.#earlyStops.size > EARLY_STOPS_MAX) this.#earlyStops.delete(oldest);
  }

  /** After a lost connection no question can be acknowledged: all are delivered again. */
  lost() {
    for (const running of this.#answering.values()) {
      running.isLost = true;
      running.controller.abort();
    }
    this.#answering.clear();
  }

  async #answer(question) {
    const key = keyOf(question);
    const before = this.#answering.get(key);
    if (before) {
      before.question = question; // the broker delivered it again before the answer was finished
      return;
    }
    const running = { question, controller: new AbortController(), isLost: false };
    const { signal } = running.controller;
    this.#answering.set(key, running);
    if (this.#earlyStops.delete(key)) running.controller.abort();
    let part = 0;
    try {
      for await (const word of answerTo(question.text, { pauseMs: this.#pauseMs, signal })) {
        await running.question.reply({ text: word, part: ++part });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (this.#answering.get(key) === running) this.#answering.delete(key);
    }
    if (!running.isLost) await this.#finish(running.question, part + 1, signal.aborted ? 'stopped' : 'answered');
  }

  async #finish(question, part, outcome, text = '') {
    await question.reply({ text, part, final: true, outcome });
    await question.done();
  }

  #problemOf({ id, text, ...question }) {
    if (!id) return 'A question needs a correlation-id. Its answer has the same one.';
    if (Buffer.byteLength(id) > ID_MAX_BYTES) return `A correlation-id has at most ${ID_MAX_BYTES} bytes.`;
    if (text.trim() === '') return 'A question needs some text.';
    if (text.length > TEXT_MAX) return `A question has at most ${TEXT_MAX} characters.`;
    const isTwice = this.#answering.has(keyOf({ id, ...question })) && !question.isRedelivered;
    return isTwice ? 'A question with this correlation-id is being answered.' : undefined;
  }
}

function keyOf({ user, session, id }) {
  return JSON.stringify([user, session, id]);
}
