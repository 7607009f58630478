/** A password from who runs the command: typed twice at a terminal, where it is not shown, or a line from elsewhere. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

const PASSWORD_MAX_BYTES = 1024;

/** `screen` shows the questions. Rejects with an Error that says why a password cannot be used. */
export async function readPassword(
  input: NodeJS.ReadableStream & { readonly isTTY?: boolean },
  screen: NodeJS.WritableStream,
): Promise<string> {
  const isTyped = input.isTTY === true;
  // As a terminal readline does the echo, into `nowhere`
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
      throw new Error(`a password may have ${PASSWORD_MAX_BYTES} bytes at most`);
    }
    if (/\p{Cc}/u.test(password)) throw new Error('a password may have no control characters');
    const again = await ask('Once more: ');
    if (isTyped ? again !== password : again !== undefined) {
      throw new Error(isTyped ? 'the two are not the same' : 'a password is one line');
    }
    return password;
  } finally {
    lines.close();
  }
}
