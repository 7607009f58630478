/** Reads a password: typed twice at a terminal without echo, or one line of other input. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

const PASSWORD_MAX_BYTES = 1024;

/** Writes the prompts to `screen`. Rejects with an Error if the password cannot be used. */
export async function readPassword(
  input: NodeJS.ReadableStream & { readonly isTTY?: boolean },
  screen: NodeJS.WritableStream,
): Promise<string> {
  const isTyped = input.isTTY === true;
  // In terminal mode readline echoes the input, here into `nowhere`.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: nowhere, terminal: isTyped, historySize: 0 });
  const source = lines[Symbol.asyncIterator]();
  const ask = async (question: string): Promise<string | undefined> => {
    if (isTyped) screen.write(question);
    const { value } = (await source.next()) as { value: string | undefined };
    if (isTyped) screen.write('\n');
    return value;
  };
  try {
    const password = await ask('Password: ');
    if (password === undefined || password === '') throw new Error('no password was given');
    if (Buffer.byteLength(password) > PASSWORD_MAX_BYTES) {
      throw new Error(`a password must have at most ${PASSWORD_MAX_BYTES} bytes`);
    }
    if (/\p{Cc}/u.test(password)) throw new Error('a password must have no control characters');
    const again = await ask('Once more: ');
    if (isTyped ? again !== password : again !== undefined) {
      throw new Error(isTyped ? 'the two passwords differ' : 'a password must be one line');
    }
    return password;
  } finally {
    lines.close();
  }
}
